"""Pixels: what is in a patch is gone, what is beside it is untouched."""

from __future__ import annotations

import numpy as np
import pytest

from blur_container.blur import Patch, Plane, blur_patches, cell_grid
from blur_container.geometry import Rect, Size

CELLS = 7
RECT = Rect(40, 20, 110, 118)


def noise(height: int, width: int, seed: int = 1) -> Plane:
    """Return a plane where each pixel is black or white."""
    return np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (height, width))


def planes() -> list[Plane]:
    """Return Y, U and V of a 160 x 120 frame."""
    return [noise(120, 160), noise(60, 80, 2), noise(60, 80, 3)]


def test_no_patch_changes_nothing() -> None:
    """Empty in, nothing done."""
    after = planes()

    blur_patches(after, [], CELLS)

    assert all(np.array_equal(one, two) for one, two in zip(after, planes(), strict=True))


def test_detail_inside_is_gone_in_all_planes() -> None:
    """Neighbouring pixels differ by 127 on average before, by a few steps after."""
    after = planes()

    blur_patches(after, [Patch(RECT, 70.0)], CELLS)

    luma = after[0][20:118, 40:110].astype(int)
    chroma = after[1][10:59, 20:55].astype(int)
    assert np.abs(np.diff(luma, axis=1)).mean() < 5
    assert np.abs(np.diff(chroma, axis=1)).mean() < 10


def test_pixels_outside_are_untouched() -> None:
    """Not one of them changes, in any plane."""
    after = planes()

    blur_patches(after, [Patch(RECT, 70.0)], CELLS)

    after[0][20:118, 40:110] = 0
    before = planes()[0]
    before[20:118, 40:110] = 0
    assert np.array_equal(after[0], before)
    assert np.array_equal(after[1][:10], planes()[1][:10])
    assert np.array_equal(after[2][:, 55:], planes()[2][:, 55:])


def test_equal_averages_give_equal_pixels() -> None:
    """Only the averages of the cells are left: pictures that differ within cells come out the same."""
    one, two = planes(), planes()
    two[0][20:118, 40:110] = np.roll(two[0][20:118, 40:110].reshape(7, 14, 70), 3, axis=1).reshape(98, 70)

    blur_patches(one, [Patch(RECT, 14.0 * CELLS)], CELLS)
    blur_patches(two, [Patch(RECT, 14.0 * CELLS)], CELLS)

    assert np.array_equal(one[0], two[0])


@pytest.mark.parametrize(
    ("rect", "short_px", "grid"),
    [
        pytest.param(Rect(0, 0, 2, 2), 2.0, Size(1, 1), id="smallest"),
        pytest.param(Rect(0, 0, 14, 14), 14.0, Size(3, 3), id="small: 4 pixels a cell"),
        pytest.param(Rect(0, 0, 70, 70), 70.0, Size(7, 7), id="square"),
        pytest.param(Rect(0, 0, 700, 1400), 700.0, Size(7, 14), id="tall"),
        pytest.param(Rect(0, 0, 20, 70), 70.0, Size(2, 7), id="cut off by the border"),
        pytest.param(Rect(0, 0, 4, 4), 900.0, Size(1, 1), id="a corner of a large one"),
    ],
)
def test_cells_grow_with_the_face(rect: Rect, short_px: float, grid: Size) -> None:
    """A fixed strength would leave large faces readable, and a border would sharpen what it cuts."""
    assert cell_grid(Patch(rect, short_px), CELLS) == grid


@pytest.mark.parametrize("rect", [Rect(0, 0, 2, 2), Rect(158, 118, 160, 120), Rect(0, 0, 160, 120)])
def test_patches_at_the_edges_are_blurred(rect: Rect) -> None:
    """From one chroma sample to the whole frame."""
    after = planes()

    blur_patches(after, [Patch(rect, 2.0 * CELLS)], CELLS)

    assert not np.array_equal(after[0], planes()[0])
