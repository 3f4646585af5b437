"""Noise: what is added to the cells of a face, drawn once for each track."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import Size
from chalicelib.contract.faces import Detection

_PLANES = 3
# More cells than any face has; a mask stretched over a fast movement repeats it.
_SIDE = 32
_BYTE_MID = 128
_BYTE_STEP = 0.5
_KEYS_MAX = 256
_GRIDS_MAX = 1024


def track_key(source_id: str, name: Detection) -> bytes:
    """Return 16 bytes that are the same in every rendering of a track named so, and differ between names.

    The digits of a detection are in no output: who holds the blurred video and this code cannot
    draw the noise again and subtract it.
    """
    box = name.box
    facts = (source_id, name.time_ms, box.left, box.top, box.width, box.height, name.confidence)
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


# A grid lasts for many frames: drawing it anew cost a fifth of the blur.
@lru_cache(maxsize=_GRIDS_MAX)
def cell_noise(key: bytes, plane: int, grid: Size) -> NDArray[np.float32]:
    """Return float32 (rows, columns) between -1 and 1, evenly spread; it is shared and read only.

    The value of a cell does not depend on the size of `grid`.
    """
    rows, columns = np.arange(grid.height) % _SIDE, np.arange(grid.width) % _SIDE
    noise = np.asarray(_field(key)[plane % _PLANES][np.ix_(rows, columns)], np.float32)
    noise.flags.writeable = False
    return noise


@lru_cache(maxsize=_KEYS_MAX)
def _field(key: bytes) -> NDArray[np.float32]:
    # A hash instead of a random generator: numpy's may change their numbers from version to version.
    stream = hashlib.shake_128(key).digest(_PLANES * _SIDE * _SIDE)
    values = np.frombuffer(stream, np.uint8).reshape(_PLANES, _SIDE, _SIDE).astype(np.float32)
    return np.asarray((values + _BYTE_STEP - _BYTE_MID) / _BYTE_MID, np.float32)
