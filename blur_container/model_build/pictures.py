"""Pictures with known content for calibration and comparison, made of those in scikit-image's wheel."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

# The long side and the short side of each picture.
_SIDES = (640, 384)
_PORTRAIT = "astronaut.png"
_OTHERS = (
    "brick.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
_SCALES, _BRIGHTNESS = (0.15, 1.4), (0.3, 1.3)
_WHITE = 255


def make_pictures(count: int, seed: int) -> Iterator[Rgb]:
    """Yield `count` pictures, uint8 (height, width, 3): portraits on a plain colour, every other one without.

    The portraits of one picture have one size and one brightness. The same seed gives the same pictures.
    """
    random = np.random.default_rng(seed)
    folder = _folder()
    portrait, others = _read(folder / _PORTRAIT), [_read(folder / name) for name in _OTHERS]
    width, height = _SIDES
    for number in range(count):
        scale, brightness = random.uniform(*_SCALES), random.uniform(*_BRIGHTNESS)
        if number % 2:
            other = others[number // 2 % len(others)]
            picture = np.asarray(cv2.resize(other, _SIDES, interpolation=cv2.INTER_AREA), np.uint8)
        else:
            picture = np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
            _tile(
                picture,
                np.asarray(cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)),
            )
        yield np.asarray(np.clip(picture * brightness, 0, _WHITE), np.uint8)


def _tile(picture: Rgb, tile: Rgb) -> None:
    """Draw `tile` into `picture`, in place, as often as there is room for a part of it."""
    height, width = picture.shape[:2]
    for top in range(0, height, tile.shape[0]):
        for left in range(0, width, tile.shape[1]):
            place = picture[top : top + tile.shape[0], left : left + tile.shape[1]]
            place[:] = tile[: place.shape[0], : place.shape[1]]


def _folder() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the calibration pictures are missing: pip install --no-deps scikit-image")
    return Path(spec.submodule_search_locations[0], "data")


def _read(path: Path) -> Rgb:
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"{path} is missing or no picture: another scikit-image than the pinned one?")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
