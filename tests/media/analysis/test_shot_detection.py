"""Shot detection: cuts are found; motion and changes of light are no cuts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from blur_container.analysis.shot_detection import ShotBoundaryDetector
from blur_container.geometry import Picture
from tests.clips.textures import noise

SIZE = (320, 180)


# Soft shapes, wider and higher than a picture.
WIDE = (SIZE[0] * 2, SIZE[1] * 2)
STREET, ROOM = noise(WIDE, 1, 25, 90, 250), noise(WIDE, 2, 25, 10, 140)


def view(of: Picture, left: int = 0, top: int = 0) -> Picture:
    """Return the part of a scene that a camera sees."""
    return of[top : top + SIZE[1], left : left + SIZE[0]]


def lit(picture: Picture, gain: float, lift: float = 0.0) -> Picture:
    """Return a picture in another light."""
    return np.asarray(np.clip(picture * gain + lift, 0, 255), np.uint8)


def cuts(pictures: Sequence[Picture]) -> list[int]:
    """Return the numbers of the pictures that begin a shot."""
    finder = ShotBoundaryDetector()
    return [number for number, picture in enumerate(pictures) if finder.begins_shot(picture, number * 33.0)]


def test_first_picture_begins_no_shot() -> None:
    """There is no picture before it."""
    assert cuts([]) == []
    assert cuts([view(STREET)]) == []


def test_cut_is_found() -> None:
    """With its first picture, and no other."""
    assert cuts([view(STREET)] * 5 + [view(ROOM)] * 5) == [5]


def test_cuts_that_follow_each_other_are_found() -> None:
    """One does not hide the next."""
    assert cuts([view(STREET)] * 3 + [view(ROOM)] * 3 + [view(STREET, 300, 150)] * 3) == [3, 6]


@pytest.mark.parametrize("step_px", [2, 8, 20])
def test_pan_is_no_cut(step_px: int) -> None:
    """The camera turns."""
    assert cuts([view(STREET, step_px * step) for step in range(15)]) == []


def test_shake_is_no_cut() -> None:
    """The camera jumps to and fro with every picture."""
    assert cuts([view(STREET, 60 + 40 * (step % 2), 60 + 30 * (step % 3)) for step in range(15)]) == []


def test_slow_fade_is_no_cut() -> None:
    """Both shots show for a second: a face in either is held across it."""
    shares = np.linspace(0, 1, 30)
    pictures = [lit(view(STREET), 1 - share, 0) + lit(view(ROOM), share, 0) for share in shares]

    assert cuts(pictures) == []


@pytest.mark.parametrize("gain", [1.5, 2.0])
def test_flash_is_no_cut(gain: float) -> None:
    """Faces are there before, in, and after it: a cut would end their holds."""
    room = [view(ROOM)] * 5

    assert cuts([*room, lit(view(ROOM), gain, 40), *room]) == []


def test_light_that_is_switched_off_is_no_cut() -> None:
    """The shapes stay where they are."""
    assert cuts([view(STREET)] * 5 + [lit(view(STREET), 0.4)] * 5) == []


def test_cut_out_of_black_is_found() -> None:
    """A plain picture has no shapes that could stay."""
    black = np.full((SIZE[1], SIZE[0]), 16, np.uint8)

    assert cuts([view(STREET)] * 3 + [black] * 3 + [view(ROOM)] * 3)[0] == 3
