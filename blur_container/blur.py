"""Pixels: a face becomes a few averaged cells, in place, on the planes of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Rect, Size

Plane = NDArray[np.uint8]
# A cell of fewer pixels than this still shows eyes and mouth of a small face.
_CELL_MIN_PX = 4


@dataclass(frozen=True, order=True)
class Patch:
    """Where to blur, and how long the short side of the whole face is, seen or cut off by the border."""

    rect: Rect
    short_px: float


def blur_patches(planes: Sequence[Plane], patches: Sequence[Patch], cells: int) -> None:
    """Blur `patches` in place on Y, U and V; uint8 arrays (height, width), U and V at half the size of Y.

    Nothing but the averages of at most `cells` cells on a face's short side is left of what was there.
    """
    luma, *chroma = planes
    for patch in patches:
        grid = cell_grid(patch, cells)
        _average(luma, patch.rect, grid)
        halved = patch.rect.scaled_down(2, 2)
        for plane in chroma:
            _average(plane, halved, grid)


def cell_grid(patch: Patch, cells: int) -> Size:
    """Return how many square cells cover a patch: `cells` on the face's short side, fewer on a small one."""
    cell_px = max(patch.short_px / cells, _CELL_MIN_PX)
    size = patch.rect.size
    return Size(max(1, int(size.width / cell_px)), max(1, int(size.height / cell_px)))


def _average(plane: Plane, rect: Rect, grid: Size) -> None:
    area = plane[rect.top : rect.bottom, rect.left : rect.right]
    height, width = area.shape
    few = cv2.resize(area, (min(grid.width, width), min(grid.height, height)), interpolation=cv2.INTER_AREA)
    # Smooth between the cells: hard edges cost bits and catch the eye.
    area[:] = cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)
