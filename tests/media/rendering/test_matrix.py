"""Rows of the matrix: codecs, containers, rotations, frame rates and pixel formats in pairs, not in full.

Every output is opened again: streams, times, tags, sound, and the picture outside and inside the masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.checks.matrix import CODECS, RATES, ROTATIONS, Row, check_row, row_of


def rows() -> Iterator[Row]:
    """Yield four videos for each codec: each rotation and each frame rate once, in another pairing."""
    for shift, codec in enumerate(CODECS):
        rates = islice(cycle(RATES), shift, shift + len(ROTATIONS))
        pairs = zip(ROTATIONS, rates, cycle(codec.suffixes), cycle(codec.pixel_formats), strict=False)
        for rotation, rate, suffix, pixels in pairs:
            yield row_of(codec, rotation, rate, pixels, suffix, "silent" if suffix == "webm" else "two")


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows()])
def test_matrix(tmp_path: Path, row: Row) -> None:
    """Every combination of input features is rendered with all but the faces unchanged."""
    check_row(tmp_path, row)
