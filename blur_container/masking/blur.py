"""Pixels: a face becomes a few averaged cells or one grey, in place, on the planes of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Plane, Rect, Size
from blur_container.masking.ellipse import Mask, ellipse_mask, shrunk
from blur_container.masking.noise import cell_noise
from blur_container.settings import BlurShape, BlurStyle

_BYTE_BITS = 8
# A cell of fewer pixels than this still shows eyes and mouth of a small face.
_CELL_MIN_PX = 4
# How much noise moves a cell of Y, U and V at most, in value ranges; more in colours catches the eye.
_NOISE = (0.05, 0.02, 0.02)
# So many values of a cell of Y, U and V are told apart; colours use a smaller part of the range. Who knows
# how the mask moved over a face can solve for detail below the cells: 50 frames, a mask that trembles by 7 %
# of the face, correlation with the face 0.75 from exact averages, 0.57 from 16 values, 0.21 from one frame.
_LEVELS = (16, 32, 32)
# `blur` is drawn at so many pixels a cell, smoothed there by this sigma, and enlarged.
_SOFT_PX = 4
_SOFT_SIGMA = 3.0


@dataclass(frozen=True, order=True)
class Patch:
    """Where to blur one face: what is in the frame, all of it, its short side, and the key of its noise."""

    rect: Rect
    whole: Rect
    short_px: float
    key: bytes


@dataclass(frozen=True)
class BlurOptions:
    """How patches are blurred; `margin` is that of the boxes, `depth` counts the bits of a sample."""

    style: BlurStyle
    shape: BlurShape
    cells: int
    margin: float
    depth: int = _BYTE_BITS


def blur_patches(planes: Sequence[Plane], patches: Sequence[Patch], options: BlurOptions) -> None:
    """Blur `patches` in place on Y, U and V: arrays (height, width), uint8 or, deeper than 8 bits, uint16.

    U and V may have as many samples as Y or half of them in either direction. What is left of a patch
    depends on nothing but the averages of at most `cells` cells on a face's short side, moved by noise and
    rounded to few values; in the style `solid` on nothing at all.
    """
    height, width = planes[0].shape
    for patch in patches:
        mask = (
            None if options.shape is BlurShape.BOX else ellipse_mask(patch.whole, patch.rect, options.margin)
        )
        for index, plane in enumerate(planes):
            ratio = -(-width // plane.shape[1]), -(-height // plane.shape[0])
            rect = patch.rect.scaled_down(*ratio)
            area = plane[rect.top : rect.bottom, rect.left : rect.right]
            _cover(
                area, _blurred(area, index, patch, options), None if mask is None else shrunk(mask, *ratio)
            )


def cell_grid(patch: Patch, cells: int) -> Size:
    """Return how many square cells cover a patch: `cells` on the face's short side, fewer on a small one."""
    cell_px = max(patch.short_px / cells, _CELL_MIN_PX)
    size = patch.rect.size
    return Size(max(1, int(size.width / cell_px)), max(1, int(size.height / cell_px)))


def _blurred(area: Plane, index: int, patch: Patch, options: BlurOptions) -> Plane:
    if options.style is BlurStyle.SOLID:
        return np.full(area.shape, 1 << (options.depth - 1), area.dtype)
    values = _cell_values(area, index, patch, options)
    height, width = area.shape
    if options.style is BlurStyle.BLUR:
        values = _soft(values)
    top = (1 << options.depth) - 1
    cells = np.clip(np.rint(values), 0, top).astype(area.dtype)
    # Smooth between the cells: hard edges cost bits and catch the eye.
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), area.dtype)


def _cell_values(area: Plane, index: int, patch: Patch, options: BlurOptions) -> NDArray[np.float32]:
    """Return float32 (rows, columns): the averages of the cells, moved by the track's noise, then rounded."""
    height, width = area.shape
    wanted = cell_grid(patch, options.cells)
    grid = Size(min(wanted.width, width), min(wanted.height, height))
    few = cv2.resize(area, (grid.width, grid.height), interpolation=cv2.INTER_AREA)
    noise = cell_noise(patch.key, index, grid) * np.float32(_NOISE[index] * (1 << options.depth))
    return _coarse(np.asarray(few + noise, np.float32), (1 << options.depth) / _LEVELS[index])


def _coarse(values: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    return np.asarray((np.floor(values / step) + 0.5) * step, np.float32)


def _soft(values: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = values.shape
    enlarged = cv2.resize(values, (columns * _SOFT_PX, rows * _SOFT_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        cv2.GaussianBlur(enlarged, (0, 0), _SOFT_SIGMA, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _cover(area: Plane, blurred: Plane, mask: Mask | None) -> None:
    if mask is None:
        area[:] = blurred
    else:
        cv2.copyTo(blurred, mask, area)
