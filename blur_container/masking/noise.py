"""Noise: one random field per track, added to the cells of its face."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Size
from chalicelib.contract.faces import Detection

_PLANES = 3
# More cells than a face has; on a mask that is stretched by fast motion the field repeats.
_SIDE = 32
_BYTE_MID = 128
_BYTE_STEP = 0.5
_KEYS_MAX = 256
_GRIDS_MAX = 1024


def track_key(source_id: str, name: Detection) -> bytes:
    """Return 16 bytes that are equal in every rendering of the track with this name, and unique to it.

    The digits of a detection are in no output: with the blurred video and this code alone the noise cannot
    be computed again and subtracted.
    """
    box = name.box
    facts = (source_id, name.time_ms, box.left, box.top, box.width, box.height, name.confidence)
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


# A grid is used for many frames: computing it for each took a fifth of the time of the blur.
@lru_cache(maxsize=_GRIDS_MAX)
def cell_noise(key: bytes, plane: int, grid: Size) -> NDArray[np.float32]:
    """Return float32 (rows, columns), uniform between -1 and 1; the array is shared and read-only.

    The value of a cell does not depend on the size of `grid`.
    """
    rows, columns = np.arange(grid.height) % _SIDE, np.arange(grid.width) % _SIDE
    noise = np.asarray(_field(key)[plane % _PLANES][np.ix_(rows, columns)], np.float32)
    noise.flags.writeable = False
    return noise


@lru_cache(maxsize=_KEYS_MAX)
def _field(key: bytes) -> NDArray[np.float32]:
    """Return float32 (planes, 32, 32): the noise of one track."""
    # A hash instead of a random generator: numpy's may change their numbers from version to version.
    stream = hashlib.shake_128(key).digest(_PLANES * _SIDE * _SIDE)
    values = np.frombuffer(stream, np.uint8).reshape(_PLANES, _SIDE, _SIDE).astype(np.float32)
    return np.asarray((values + _BYTE_STEP - _BYTE_MID) / _BYTE_MID, np.float32)
