"""Ellipse masks: the pixels of a patch that are covered, as arrays for cv2.copyTo.

The mask is the superellipse |x/a|^n + |y/b|^n <= 1 inscribed in the padded rect, with the smallest n >= 2
for which it contains every pixel of the face box. At a margin of 0.2 that is nearly an ellipse (n = 2.1 to
2.7); with less margin it becomes a rounded rectangle, and without margin the rect itself. Its edge is hard: a
soft one would let the face show through.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Rect, Size

Mask = NDArray[np.uint8]

_COVERED = 255
# Rounding outward to even pixels moves each edge by less than two.
_ROUNDED_PX = 4
# Tolerance for sums of two float32 near a half.
_ROUNDING = 1e-6
_MASKS_MAX = 64
# Larger masks are not cached: they need much memory, and little time beside the encoding of their frames.
_CACHED_PX = 256 * 256


def ellipse_mask(whole: Rect, visible: Rect, margin: float) -> Mask:
    """Return uint8 (height, width) of `visible`, 255 where the ellipse in `whole` covers it.

    `margin` is the least margin of the face box inside `whole`, in its own sizes: all of it is covered.
    """
    moved = Rect(
        visible.left - whole.left,
        visible.top - whole.top,
        visible.right - whole.left,
        visible.bottom - whole.top,
    )
    size = moved.size
    draw = _cached if size.width * size.height <= _CACHED_PX else _drawn
    return draw(whole.size, moved, margin)


def shrunk(mask: Mask, horizontal: int, vertical: int) -> Mask:
    """Return the mask of a plane with one sample per `horizontal` x `vertical` pixels.

    A sample is covered if one of its pixels is.
    """
    if horizontal == 1 and vertical == 1:
        return mask
    height, width = mask.shape
    rows, columns = -(-height // vertical), -(-width // horizontal)
    if (rows * vertical, columns * horizontal) != (height, width):
        mask = np.pad(mask, ((0, rows * vertical - height), (0, columns * horizontal - width)), "edge")
    covered = mask[::vertical]
    for row in range(1, vertical):
        covered = covered | mask[row::vertical]
    narrowed = covered[:, ::horizontal]
    for column in range(1, horizontal):
        narrowed = narrowed | covered[:, column::horizontal]
    return np.ascontiguousarray(narrowed)


def _drawn(size: Size, visible: Rect, margin: float) -> Mask:
    exponent = max(_exponent(size.width, margin), _exponent(size.height, margin))
    across = _powers(size.width, visible.left, visible.right, exponent)
    down = _powers(size.height, visible.top, visible.bottom, exponent)
    inside = across[np.newaxis, :] + down[:, np.newaxis] <= 1 + _ROUNDING
    return np.asarray(inside.view(np.uint8) * np.uint8(_COVERED), np.uint8)


_cached = lru_cache(maxsize=_MASKS_MAX)(_drawn)


def _exponent(side_px: int, margin: float) -> float:
    """Return n for which u^n is a half at the edge of the inner box; u is 0 in the middle, 1 at the rim."""
    inset_px = margin / (1 + 2 * margin) * max(side_px - _ROUNDED_PX, 0)
    farthest = 1 - 2 * inset_px / side_px
    if farthest >= 1:
        return math.inf
    return max(2.0, math.log(0.5) / math.log(farthest))


def _powers(side_px: int, begin: int, end: int, exponent: float) -> NDArray[np.float32]:
    """Return float32: u^n for each pixel from `begin` to `end`, at the side nearest to the middle.

    So a pixel is covered if the ellipse touches it.
    """
    distance_px = np.maximum(np.abs(np.arange(begin, end) + 0.5 - side_px / 2) - 0.5, 0)
    return np.asarray((distance_px / (side_px / 2)) ** exponent, np.float32)
