"""Draw heads into frames: NASA's portrait of Eileen Collins, cut out, in six variants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.leak.scenes import HEIGHT, WIDTH, Place
from chalicelib.contract.faces import Box
from local_cloud.commands.demo_clip import PORTRAIT_FACE, cut_out

Picture = NDArray[np.uint8]

FACE_HEIGHT = PORTRAIT_FACE[3] - PORTRAIT_FACE[1]
FACE_WIDTH = PORTRAIT_FACE[2] - PORTRAIT_FACE[0]
_CENTRE_X = (PORTRAIT_FACE[0] + PORTRAIT_FACE[2]) / 2
_CENTRE_Y = (PORTRAIT_FACE[1] + PORTRAIT_FACE[3]) / 2
# Between these rows of the portrait the shoulders fade out: they would hide heads behind them.
_FADE_ROWS = (215, 290)
# Left, right and lower end of the cut-out in the portrait.
_PART = (60, 390, 290)
_OPAQUE = 128


@dataclass(frozen=True)
class _Variant:
    """One change of the portrait: mirrored, exponent of the brightness, gains of red, green and blue."""

    mirrored: bool
    gamma: float
    gains: tuple[float, float, float]


_VARIANTS = (
    _Variant(mirrored=False, gamma=1.0, gains=(1.0, 1.0, 1.0)),
    _Variant(mirrored=True, gamma=1.7, gains=(0.95, 0.85, 0.75)),
    _Variant(mirrored=True, gamma=0.8, gains=(1.0, 0.95, 0.9)),
    _Variant(mirrored=False, gamma=1.4, gains=(0.9, 0.95, 1.05)),
    _Variant(mirrored=False, gamma=2.2, gains=(0.95, 0.82, 0.7)),
    _Variant(mirrored=True, gamma=1.1, gains=(0.8, 0.8, 0.8)),
)
HEADS = len(_VARIANTS)


@dataclass(frozen=True)
class _Head:
    """A cut-out at one size: RGB, opacity, the face's centre, and its pixels per pixel of the portrait."""

    picture: Picture
    opacity: Picture
    x: float
    y: float
    scale: float


def face_box(place: Place) -> Box:
    """Return the box of the face at `place`: the hull of its rolled ellipse, in fractions of the frame."""
    scale = place.height / FACE_HEIGHT
    across, down = FACE_WIDTH / 2 * scale, FACE_HEIGHT / 2 * scale
    cosine, sine = math.cos(math.radians(place.roll)), math.sin(math.radians(place.roll))
    half_width = math.hypot(across * cosine, down * sine)
    half_height = math.hypot(across * sine, down * cosine)
    return Box(
        (place.x - half_width) / WIDTH,
        (place.y - half_height) / HEIGHT,
        2 * half_width / WIDTH,
        2 * half_height / HEIGHT,
    )


def draw_head(picture: Picture, depth: Picture, variant: int, place: Place, layer: int) -> None:
    """Draw a head into `picture`, and write `layer` into `depth` where it is opaque; both in place."""
    head = _head(variant, _halvings(place.height))
    matrix = _matrix(head, place)
    area = _area(head, matrix)
    if area is None:
        return
    rows, columns = area
    matrix[:, 2] -= (columns.start, rows.start)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    drawn = cv2.warpAffine(
        head.picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    opacity = cv2.warpAffine(head.opacity, matrix, size, flags=cv2.INTER_LINEAR)
    share = opacity.astype(np.float32) / 255
    behind = np.ascontiguousarray(picture[rows, columns])
    picture[rows, columns] = cv2.blendLinear(np.asarray(drawn, np.uint8), behind, share, 1 - share)
    depth[rows, columns][opacity > _OPAQUE] = layer


def _halvings(face_height: float) -> int:
    # Shrinking to less than half in one step causes aliasing on small faces.
    return max(0, min(3, int(math.log2(FACE_HEIGHT / face_height))))


@cache
def _head(variant: int, halvings: int) -> _Head:
    if halvings == 0:
        return _cut_out(_VARIANTS[variant])
    larger = _head(variant, halvings - 1)
    height, width = larger.opacity.shape
    size = (width // 2, height // 2)
    return _Head(
        np.asarray(cv2.resize(larger.picture, size, interpolation=cv2.INTER_AREA), np.uint8),
        np.asarray(cv2.resize(larger.opacity, size, interpolation=cv2.INTER_AREA), np.uint8),
        larger.x / 2,
        larger.y / 2,
        larger.scale / 2,
    )


@cache
def _portrait() -> tuple[Picture, Picture]:
    return cut_out()


def _cut_out(variant: _Variant) -> _Head:
    portrait, opacity = _portrait()
    left, right, bottom = _PART
    picture, opacity = portrait[:bottom, left:right], opacity[:bottom, left:right]
    begin, end = _FADE_ROWS
    fade = np.clip((end - np.arange(bottom)) / (end - begin), 0, 1)
    values = (picture / 255.0) ** variant.gamma * variant.gains * 255
    picture, opacity = values.clip(0, 255).astype(np.uint8), (opacity * fade[:, np.newaxis]).astype(np.uint8)
    x = _CENTRE_X - left
    if variant.mirrored:
        picture, opacity, x = picture[:, ::-1], opacity[:, ::-1], right - left - x
    return _Head(np.ascontiguousarray(picture), np.ascontiguousarray(opacity), x, _CENTRE_Y, 1.0)


def _matrix(head: _Head, place: Place) -> NDArray[np.float64]:
    scale = place.height / (FACE_HEIGHT * head.scale)
    cosine = math.cos(math.radians(place.roll)) * scale
    sine = math.sin(math.radians(place.roll)) * scale
    return np.array(
        [
            [cosine, -sine, place.x - cosine * head.x + sine * head.y],
            [sine, cosine, place.y - sine * head.x - cosine * head.y],
        ]
    )


def _area(head: _Head, matrix: NDArray[np.float64]) -> tuple[slice, slice] | None:
    """Return the rows and columns of the frame that the head touches, or None."""
    height, width = head.opacity.shape
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top = (max(0, math.floor(low)) for low in corners.min(axis=1))
    right, bottom = (math.ceil(high) + 1 for high in corners.max(axis=1))
    right, bottom = min(WIDTH, right), min(HEIGHT, bottom)
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)
