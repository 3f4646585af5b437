"""Following: where faces go from picture to picture, by the points inside them.

The method is Median Flow (Kalal, Mikolajczyk, Matas, "Forward-Backward Error", ICPR 2010): a grid of points
in each face is followed by pyramidal Lucas-Kanade to the next picture and back. Points that do not come back
to where they began are dropped; the medians of the others move and scale the box. A face whose patch is not
alike in both pictures is lost too. All faces of a picture share one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Picture

# float32 (faces, 4): left, top, right, bottom in pixels of a picture; not a number where a face is lost.
Boxes = NDArray[np.float32]
# float32 (faces, points, 2): x, y in pixels.
_Points = NDArray[np.float32]
# bool (faces, points).
_Chosen = NDArray[np.bool_]

_GRID = 4
# The corners of a box show what is behind the face.
_CORE = 0.8
_WINDOW_PX = 11
_LEVELS = 3
_STEPS_MAX = 12
_PRECISION_PX = 0.03
# A point that comes back farther away than this share of the face, or than this, did not follow.
_BACK_FACES = 0.06
_BACK_PX = 0.7
# Fewer points than this, or than this share of those in the picture, tell nothing of the whole face.
_POINTS_MIN = 4
_SHARE_MIN = 0.3
# What a face can grow or shrink from one picture to the next.
_SCALE_MAX = 1.12
_PATCH_PX = 12
# Two patches that correlate less show two things.
_LIKENESS_MIN = 0.35
# With less of it inside the picture a face has left.
_INSIDE_MIN = 0.2
_TINY = 1e-3
# Sorted behind all that counts; its sums are still numbers.
_FAR = 1e9


def median_flow(pictures: Sequence[Picture], boxes: Boxes, speeds: NDArray[np.float32]) -> Iterator[Boxes]:
    """Yield `boxes`, which are those in the first of `pictures`, for each of the others.

    `speeds`, float32 (faces, 2), is how far each should move to the next picture, in pixels. A face that is
    lost, or has left the picture, stays lost.
    """
    here = boxes
    for before, after in pairwise(pictures):
        there = np.full_like(here, np.nan)
        alive = np.flatnonzero(_is_inside(here, before))
        if len(alive):
            there[alive] = _step(before, after, here[alive], speeds[alive])
        speeds = _centres(there) - _centres(here)
        here = there
        yield here


def _step(before: Picture, after: Picture, boxes: Boxes, speeds: NDArray[np.float32]) -> Boxes:
    points = _grid(boxes)
    there, back, found = _there_and_back(before, after, points, speeds[:, np.newaxis])
    seen = _visible(points, before)
    strayed = np.hypot(back[..., 0] - points[..., 0], back[..., 1] - points[..., 1])
    allowed = np.maximum(_BACK_PX, _BACK_FACES * np.sqrt(np.prod(_sides(boxes), axis=1)))
    kept = found & seen & (strayed <= allowed[:, np.newaxis])
    moved = _moved(boxes, points, there, kept)
    lost = kept.sum(axis=1) < np.maximum(_POINTS_MIN, _SHARE_MIN * seen.sum(axis=1))
    for face in np.flatnonzero(~lost):
        lost[face] = _likeness(_patch(before, boxes[face]), _patch(after, moved[face])) < _LIKENESS_MIN
    moved[lost] = np.nan
    return moved


def _grid(boxes: Boxes) -> _Points:
    shares = 0.5 + _CORE * (np.arange(_GRID) / (_GRID - 1) - 0.5)
    unit = np.stack(np.meshgrid(shares, shares), axis=-1).reshape(1, -1, 2)
    return np.asarray(boxes[:, np.newaxis, :2] + _sides(boxes)[:, np.newaxis] * unit, np.float32)


def _there_and_back(
    before: Picture, after: Picture, points: _Points, speeds: NDArray[np.float32]
) -> tuple[_Points, _Points, _Chosen]:
    """Return the points in `after`, those back in `before`, and which of them could be followed."""
    there, found = _flow(before, after, points, points + speeds)
    back, returned = _flow(after, before, there, there - speeds)
    return there, back, found & returned


def _flow(before: Picture, after: Picture, points: _Points, guess: _Points) -> tuple[_Points, _Chosen]:
    flat = np.ascontiguousarray(points.reshape(-1, 1, 2), np.float32)
    went, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        flat,
        np.array(guess.reshape(-1, 1, 2), np.float32),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=_LEVELS,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS_MAX, _PRECISION_PX),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    followed = np.asarray(went, np.float32).reshape(points.shape)
    return followed, np.asarray(status, np.bool_).reshape(points.shape[:-1])


def _moved(boxes: Boxes, points: _Points, there: _Points, kept: _Chosen) -> Boxes:
    """Return the boxes as the kept points move and spread; nonsense where none is kept."""
    anchor = _median(points, kept)
    shift = _median(there - points, kept)
    spread = np.abs(points - anchor[:, np.newaxis]).sum(axis=2)
    spread_there = np.abs(there - (anchor + shift)[:, np.newaxis]).sum(axis=2)
    ratios = spread_there / np.maximum(spread, _TINY)
    scale = _median(ratios[..., np.newaxis], kept & (spread > _TINY))
    scale = np.clip(np.where(scale < _FAR, scale, 1.0), 1 / _SCALE_MAX, _SCALE_MAX)
    centres = anchor + shift + (_centres(boxes) - anchor) * scale
    half = _sides(boxes) / 2 * scale
    return np.asarray(np.concatenate([centres - half, centres + half], axis=1), np.float32)


def _median(values: NDArray[np.float32], chosen: _Chosen) -> NDArray[np.float32]:
    """Return float32 (faces, numbers): the medians of values (faces, points, numbers) over chosen points."""
    ordered = np.where(chosen[..., np.newaxis], values, np.float32(_FAR))
    ordered.sort(axis=1)
    counts, faces = np.maximum(chosen.sum(axis=1), 1), np.arange(len(values))
    return np.asarray((ordered[faces, (counts - 1) // 2] + ordered[faces, counts // 2]) / 2, np.float32)


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the correlation of two patches without their means, from -1 to 1; plain ones are alike."""
    lengths = float(np.vdot(one, one) * np.vdot(other, other)) ** 0.5
    return float(np.vdot(one, other)) / lengths if lengths > _TINY else 1.0


def _patch(picture: Picture, box: NDArray[np.float32]) -> NDArray[np.float32]:
    step_x, step_y = (box[2:] - box[:2]) / _PATCH_PX
    patch = cv2.warpAffine(
        picture,
        np.array([[step_x, 0, box[0]], [0, step_y, box[1]]], np.float32),
        (_PATCH_PX, _PATCH_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(patch - np.float32(patch.mean()), np.float32)


def _is_inside(boxes: Boxes, picture: Picture) -> NDArray[np.bool_]:
    """Return bool (faces): whether enough of a box lies in the picture; a lost one does not."""
    height, width = picture.shape
    visible = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    shares = np.prod(np.maximum(visible, 0), axis=1) / np.maximum(np.prod(_sides(boxes), axis=1), _TINY)
    return np.asarray(shares >= _INSIDE_MIN)


def _visible(points: _Points, picture: Picture) -> _Chosen:
    height, width = picture.shape
    return np.asarray(((points >= 1) & (points <= (width - 2, height - 2))).all(axis=-1))


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
