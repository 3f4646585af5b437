"""Noise: the same for a track in every rendering, different between tracks, even in its values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blur_container.geometry import Size
from blur_container.masking.noise import cell_noise, track_key
from chalicelib.contract.faces import Box, Detection

FIRST = Detection(40, Box(0.1, 0.2, 0.3, 0.4), 99.5)


def test_key_of_a_track_is_always_the_same() -> None:
    """It depends on neither clock nor process: a second rendering gives an equal file."""
    assert track_key("source", FIRST).hex() == "62ceb6bed875670a5b30553f70314e1b"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(FIRST, time_ms=41), id="time"),
        pytest.param(replace(FIRST, confidence=99.6), id="confidence"),
        pytest.param(replace(FIRST, box=Box(0.1, 0.2, 0.3, 0.4000001)), id="box"),
    ],
)
def test_tracks_have_keys_of_their_own(other: Detection) -> None:
    """Any digit of the first detection changes it."""
    assert track_key("source", other) != track_key("source", FIRST)


def test_sources_have_keys_of_their_own() -> None:
    """The same face in another video is another track."""
    assert track_key("other", FIRST) != track_key("source", FIRST)


def test_values_are_spread_evenly() -> None:
    """Between -1 and 1, around zero."""
    values = cell_noise(b"key", 0, Size(32, 32))

    assert np.abs(values).max() < 1
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert values.std() == pytest.approx(3**-0.5, abs=0.05)


def test_planes_differ() -> None:
    """Brightness does not tell the noise of the colours."""
    assert not np.array_equal(cell_noise(b"key", 0, Size(5, 5)), cell_noise(b"key", 1, Size(5, 5)))


def test_cell_keeps_its_value_when_the_grid_grows() -> None:
    """A face that turns or comes nearer has one noise all the time."""
    few, many = cell_noise(b"key", 0, Size(5, 7)), cell_noise(b"key", 0, Size(40, 9))

    assert np.array_equal(many[:7, :5], few)
