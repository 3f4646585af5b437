"""Optical flow: track the boxes of faces from picture to picture by the points inside them.

The method is Median Flow (Kalal, Mikolajczyk, Matas, "Forward-Backward Error", ICPR 2010): a grid of points
in each face is tracked by pyramidal Lucas-Kanade to the next picture and back. Points that do not return to
their start are dropped; the medians of the others move and scale the box. A face is lost if too few points
are left, or if its patches in both pictures do not correlate. All faces of a picture share one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Picture

# float32 (faces, 4): left, top, right, bottom in pixels of a picture; NaN for a lost face.
Boxes = NDArray[np.float32]
# float32 (faces, points, 2): x, y in pixels.
_Points = NDArray[np.float32]
# bool (faces, points).
_Chosen = NDArray[np.bool_]
FloatT = TypeVar("FloatT", np.float32, np.float64)

_GRID = 4
# The corners of a box show the background.
_CORE = 0.8
_WINDOW_PX = 11
_LEVELS = 3
_STEPS_MAX = 12
_PRECISION_PX = 0.03
# A point that returns farther off than this share of the face, and than this many pixels, is dropped.
_BACK_FACES = 0.06
_BACK_PX = 0.7
# With fewer points than this, or than this share of the points in the picture, the face is lost.
_POINTS_MIN = 4
_SHARE_MIN = 0.3
# The largest growth of a face from one picture to the next; its inverse is the largest shrinkage.
_SCALE_MAX = 1.12
_PATCH_PX = 12
# Patches that correlate less do not show the same face.
_CORRELATION_MIN = 0.35
# A face with a smaller share inside the picture has left it.
_INSIDE_MIN = 0.2
_TINY = 1e-3
# Sorts after every coordinate, and its sums are still finite.
_FAR = 1e9


def median_flow(pictures: Sequence[Picture], boxes: Boxes, speeds: NDArray[np.float32]) -> Iterator[Boxes]:
    """Yield the boxes of faces in each picture but the first, from their `boxes` in the first one.

    `speeds`, float32 (faces, 2), is the expected motion to the next picture in pixels. A face that is lost,
    or has left the picture, stays lost.
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
    """Return the boxes in the next picture; NaN for faces that are lost on the step."""
    shares = 0.5 + _CORE * (np.arange(_GRID) / (_GRID - 1) - 0.5)
    unit = np.stack(np.meshgrid(shares, shares), axis=-1).reshape(1, -1, 2)
    points = np.asarray(boxes[:, np.newaxis, :2] + _sides(boxes)[:, np.newaxis] * unit, np.float32)
    expected = speeds[:, np.newaxis]
    there, found = _lucas_kanade(before, after, points, points + expected)
    back, returned = _lucas_kanade(after, before, there, there - expected)
    height, width = before.shape
    seen = np.asarray(((points >= 1) & (points <= (width - 2, height - 2))).all(axis=-1))
    strayed = np.hypot(back[..., 0] - points[..., 0], back[..., 1] - points[..., 1])
    allowed = np.maximum(_BACK_PX, _BACK_FACES * np.sqrt(np.prod(_sides(boxes), axis=1)))
    kept = (found & returned) & seen & (strayed <= allowed[:, np.newaxis])
    moved = _moved(boxes, points, there, kept)
    lost = kept.sum(axis=1) < np.maximum(_POINTS_MIN, _SHARE_MIN * seen.sum(axis=1))
    for face in np.flatnonzero(~lost):
        patches = _patch(before, boxes[face]), _patch(after, moved[face])
        lost[face] = correlation(*patches, of_plain=1.0) < _CORRELATION_MIN
    moved[lost] = np.nan
    return moved


def _lucas_kanade(
    before: Picture, after: Picture, points: _Points, guess: _Points
) -> tuple[_Points, _Chosen]:
    """Return the points in `after`, searched from `guess`, and which of them were found."""
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
    """Return the boxes moved and scaled as their kept points; meaningless for a face without any."""
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
    """Return float32 (faces, numbers): medians over the chosen points of values (faces, points, numbers)."""
    ordered = np.where(chosen[..., np.newaxis], values, np.float32(_FAR))
    ordered.sort(axis=1)
    counts, faces = np.maximum(chosen.sum(axis=1), 1), np.arange(len(values))
    return np.asarray((ordered[faces, (counts - 1) // 2] + ordered[faces, counts // 2]) / 2, np.float32)


def correlation(one: NDArray[FloatT], other: NDArray[FloatT], *, of_plain: float) -> float:
    """Return the correlation of two arrays of mean zero, from -1 to 1; `of_plain` if one is all zero."""
    lengths = float(np.vdot(one, one) * np.vdot(other, other)) ** 0.5
    return float(np.vdot(one, other)) / lengths if lengths > _TINY else of_plain


def _patch(picture: Picture, box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 (12, 12): the pixels of a box, scaled, minus their mean."""
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
    """Return bool (faces): whether a fifth of the box is in the picture; False for a lost face."""
    height, width = picture.shape
    visible = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    shares = np.prod(np.maximum(visible, 0), axis=1) / np.maximum(np.prod(_sides(boxes), axis=1), _TINY)
    return np.asarray(shares >= _INSIDE_MIN)


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
