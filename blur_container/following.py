"""Following: where faces go from picture to picture, by the points inside them.

The method is Median Flow (Kalal, Mikolajczyk, Matas, "Forward-Backward Error", ICPR 2010): a grid of points in
each face is followed by pyramidal Lucas-Kanade to the next picture and back; points that do not come back to
where they began are dropped, and the median of the others moves and scales the box. All faces of a picture
share one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

# uint8 (height, width): the luma of a frame, reduced.
Picture = NDArray[np.uint8]
# float32 (faces, 4): left, top, right, bottom in pixels of a picture; a lost face is not a number.
Boxes = NDArray[np.float32]

_GRID = 5
# The corners of a box show what is behind the face.
_CORE = 0.8
_WINDOW_PX = 11
_LEVELS = 3
_STEPS = 12
_PRECISION_PX = 0.03
# A point that comes back farther away than this share of the face, or than this, did not follow.
_BACK_FACES = 0.06
_BACK_PX = 0.7
# Fewer points than this, or than this share of those in the picture, tell nothing of the whole face.
_POINTS_MIN = 4
_SHARE_MIN = 0.3
# What a face can grow or shrink from one picture to the next.
_SCALE_MAX = 1.12
# Patches this unlike each other show two things.
_PATCH_PX = 12
_LIKENESS_MIN = 0.35
# With less of it inside the picture a face has left.
_INSIDE_MIN = 0.2
_TINY_PX = 1e-3


def follow(pictures: Sequence[Picture], boxes: Boxes, speeds: NDArray[np.float32]) -> Iterator[Boxes]:
    """Yield `boxes` in each of `pictures` after the first, in which they are given.

    `speeds`, float32 (faces, 2), is how far each is expected to move to the next picture, in pixels. A face
    that is lost, or has left the picture, stays lost.
    """
    here = boxes
    for before, after in zip(pictures, pictures[1:]):
        there = _step(before, after, here, speeds)
        speeds = _centres(there) - _centres(here)
        here = there
        yield here


def _step(before: Picture, after: Picture, boxes: Boxes, speeds: NDArray[np.float32]) -> Boxes:
    moved = np.full_like(boxes, np.nan)
    alive = np.flatnonzero(_is_inside(boxes, before))
    if not len(alive):
        return moved
    points = _grid(boxes[alive])
    seen = _visible(points, before)
    guess = points + speeds[alive, np.newaxis]
    there, back, found = _there_and_back(before, after, points, guess)
    error = np.hypot(*np.moveaxis(back - points, -1, 0))
    sides = np.sqrt(np.prod(_sides(boxes[alive]), axis=1))
    kept = found & seen & (error <= np.maximum(_BACK_PX, _BACK_FACES * sides)[:, np.newaxis])
    enough = np.maximum(_POINTS_MIN, _SHARE_MIN * seen.sum(axis=1))
    for row, face in enumerate(alive):
        if kept[row].sum() >= enough[row]:
            box = _moved(boxes[face], points[row, kept[row]], there[row, kept[row]])
            if _likeness(before, boxes[face], after, box) >= _LIKENESS_MIN:
                moved[face] = box
    return moved


def _grid(boxes: Boxes) -> NDArray[np.float32]:
    """Return float32 (faces, points, 2): x, y of the points inside each box."""
    shares = 0.5 + _CORE * (np.arange(_GRID) / (_GRID - 1) - 0.5)
    across, down = (axis.ravel() for axis in np.meshgrid(shares, shares))
    left_top, sides = boxes[:, np.newaxis, :2], _sides(boxes)[:, np.newaxis]
    return np.asarray(left_top + sides * np.stack([across, down], axis=-1), np.float32)


def _there_and_back(
    before: Picture, after: Picture, points: NDArray[np.float32], guess: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    there, found = _flow(before, after, points, guess)
    back, returned = _flow(after, before, there, there + points - guess)
    return there, back, found & returned


def _flow(
    before: Picture, after: Picture, points: NDArray[np.float32], guess: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    flat = np.ascontiguousarray(points.reshape(-1, 1, 2), np.float32)
    went = np.ascontiguousarray(guess.reshape(-1, 1, 2), np.float32).copy()
    went, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        flat,
        went,
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=_LEVELS,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, _PRECISION_PX),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return went.reshape(points.shape), status.reshape(points.shape[:-1]).astype(bool)


def _moved(box: NDArray[np.float32], points: NDArray[np.float32], there: NDArray[np.float32]) -> Boxes:
    shift = np.median(there - points, axis=0)
    spread = np.abs(points - np.median(points, axis=0)).sum(axis=1)
    wide = spread > _TINY_PX
    spread_there = np.abs(there - np.median(there, axis=0)).sum(axis=1)
    scale = float(np.median(spread_there[wide] / spread[wide])) if wide.any() else 1.0
    scale = min(max(scale, 1 / _SCALE_MAX), _SCALE_MAX)
    anchor = np.median(points, axis=0)
    centre = (box[:2] + box[2:]) / 2
    centre_there = anchor + shift + (centre - anchor) * scale
    half = (box[2:] - box[:2]) / 2 * scale
    return np.asarray(np.concatenate([centre_there - half, centre_there + half]), np.float32)


def _likeness(before: Picture, box: Boxes, after: Picture, box_there: Boxes) -> float:
    """Return the correlation of what both boxes show, from -1 to 1; two plain patches are alike."""
    one, other = _patch(before, box), _patch(after, box_there)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / lengths if lengths > _TINY_PX else 1.0


def _patch(picture: Picture, box: Boxes) -> NDArray[np.float32]:
    sides = (box[2:] - box[:2]) / _PATCH_PX
    matrix = np.array([[sides[0], 0, box[0]], [0, sides[1], box[1]]], np.float32)
    patch = cv2.warpAffine(
        picture,
        matrix,
        (_PATCH_PX, _PATCH_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    return patch - patch.mean()


def _is_inside(boxes: Boxes, picture: Picture) -> NDArray[np.bool_]:
    """Return bool (faces): whether enough of a box lies in the picture; a lost one does not."""
    height, width = picture.shape
    visible = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    share = np.prod(np.maximum(visible, 0), axis=1) / np.maximum(np.prod(_sides(boxes), axis=1), _TINY_PX)
    return np.asarray(share >= _INSIDE_MIN)


def _visible(points: NDArray[np.float32], picture: Picture) -> NDArray[np.bool_]:
    height, width = picture.shape
    return np.asarray(((points >= 1) & (points <= (width - 2, height - 2))).all(axis=-1))


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2
