"""Optical flow: faces of real pixels, moved by known amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from blur_container.analysis.optical_flow import Boxes, median_flow
from blur_container.geometry import Picture
from tests.clips.textures import noise

SIZE = (320, 180)
STEPS = 12
START = (120.0, 60.0, 40.0, 50.0)

# Left, top, width and height of a face in pixels, by the number of the picture.
Walk = Callable[[int], tuple[float, float, float, float]]


BACKGROUND = noise(SIZE, 1, 3)
PATCH = noise((80, 100), 2, 2.5)


def picture(place: tuple[float, float, float, float], background: Picture = BACKGROUND) -> Picture:
    """Return the background with the patch at left, top, width, height."""
    left, top, width, height = place
    scale_x, scale_y = width / PATCH.shape[1], height / PATCH.shape[0]
    matrix = np.array([[scale_x, 0, left], [0, scale_y, top]], np.float32)
    return np.asarray(
        cv2.warpAffine(PATCH, matrix, SIZE, background.copy(), borderMode=cv2.BORDER_TRANSPARENT), np.uint8
    )


def box(place: tuple[float, float, float, float]) -> list[float]:
    """Return left, top, right, bottom."""
    left, top, width, height = place
    return [left, top, left + width, top + height]


def followed(pictures: Sequence[Picture], place: tuple[float, float, float, float] = START) -> list[Boxes]:
    """Return where the face at `place` in the first picture is in the others."""
    return list(median_flow(pictures, np.array([box(place)], np.float32), np.zeros((1, 2), np.float32)))


@pytest.mark.parametrize(
    "walk",
    [
        lambda _: START,
        lambda step: (120 + 3 * step, 60.0, 40.0, 50.0),
        lambda step: (120 - 5.5 * step, 60 + 2.5 * step, 40.0, 50.0),
        lambda step: (120.0, 60.0, 40 * 1.03**step, 50 * 1.03**step),
        lambda step: (120.0, 60.0, 40 * 0.97**step, 50 * 0.97**step),
    ],
    ids=["at rest", "across", "slanting", "growing", "shrinking"],
)
def test_face_is_followed_to_a_tenth_of_its_size(walk: Walk) -> None:
    """Over twelve pictures, its size included."""
    pictures = [picture(walk(step)) for step in range(STEPS + 1)]

    found = followed(pictures)

    errors = [np.abs(boxes[0] - box(walk(step))).max() for step, boxes in enumerate(found, 1)]
    assert len(errors) == STEPS
    assert max(errors) < 4


def test_no_faces_in_no_pictures() -> None:
    """Empty in, empty out."""
    nobody, still = np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32)

    assert list(median_flow([], nobody, still)) == []
    assert list(median_flow([BACKGROUND], nobody, still)) == []
    assert [boxes.shape for boxes in median_flow([BACKGROUND] * 3, nobody, still)] == [(0, 4), (0, 4)]


def test_known_speed_carries_over_a_wide_step() -> None:
    """A face that moves as expected is found much farther away."""
    pictures = [picture(START), picture((190, 60, 40, 50))]

    (found,) = median_flow(pictures, np.array([box(START)], np.float32), np.array([[70, 0]], np.float32))

    assert np.abs(found[0] - box((190, 60, 40, 50))).max() < 4


def test_face_that_leaves_is_lost() -> None:
    """The face leaves on the left, and stays lost."""
    pictures = [picture((30 - 5 * step, 60, 40, 50)) for step in range(20)]

    found = followed(pictures, (30, 60, 40, 50))

    lost = [bool(np.isnan(boxes).all()) for boxes in found]
    assert not any(lost[:5])
    assert all(lost[14:])


def test_face_that_is_covered_is_lost() -> None:
    """A bar as high as the picture stands in front of it from one picture to the next."""
    covered = [picture(START) for _ in range(4)]
    for shown in covered[2:]:
        shown[:, 100:180] = noise((80, 180), 5, 2)

    found = followed(covered)

    assert [bool(np.isnan(boxes).all()) for boxes in found] == [False, True, True]


def test_lost_face_costs_the_others_nothing() -> None:
    """Faces that share a picture are lost one by one."""
    pictures = [picture((120 + 3 * step, 60, 40, 50)) for step in range(4)]
    both = np.array([box((-100, 60, 40, 50)), box(START)], np.float32)

    *_, found = median_flow(pictures, both, np.zeros((2, 2), np.float32))

    assert np.isnan(found[0]).all()
    assert np.abs(found[1] - box((129, 60, 40, 50))).max() < 4


@pytest.mark.parametrize(
    "place",
    [
        START,
        (-20.0, -20.0, 40.0, 50.0),
        (319.0, 179.0, 40.0, 50.0),
        (10.0, 10.0, 0.0, 0.0),
        (5.0, 5.0, 2.0, 1.0),
    ],
    ids=["inside", "across a corner", "nearly outside", "no size", "tiny"],
)
def test_flat_picture_moves_nothing(place: tuple[float, float, float, float]) -> None:
    """There is nothing to follow: the face is lost, or at rest."""
    flat = [np.full((SIZE[1], SIZE[0]), 127, np.uint8)] * 3

    found = followed(flat, place)

    assert all(np.isnan(boxes).all() or np.abs(boxes[0] - box(place)).max() < 1 for boxes in found)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 3), (640, 2)])
def test_tiny_pictures_are_no_trap(size: tuple[int, int]) -> None:
    """A face fills a picture smaller than the window it is followed with."""
    pictures = [noise(size, seed, 1) for seed in range(3)]

    found = followed(pictures, (0, 0, size[0], size[1]))

    assert len(found) == 2
