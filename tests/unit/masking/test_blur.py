"""Blur: the pixels in a patch are gone, the pixels beside it are untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blur_container.geometry import Plane, Rect, Size
from blur_container.masking.blur import BlurOptions, blur_patches, cell_grid
from blur_container.masking.regions import Patch
from blur_container.settings import BlurShape, BlurStyle

CELLS = 7
RECT = Rect(40, 20, 110, 118)
MOSAIC = BlurOptions(BlurStyle.MOSAIC, BlurShape.BOX, CELLS, 0.2)
OPTIONS = [
    pytest.param(BlurOptions(style, shape, CELLS, 0.2), id=f"{style.value} {shape.value}")
    for style in BlurStyle
    for shape in BlurShape
]


def patch_at(rect: Rect, short_px: float, key: bytes = b"one") -> Patch:
    """Return the patch of a face that no border cuts off."""
    return Patch(rect, rect, short_px, key)


def noise(height: int, width: int, seed: int = 1) -> Plane:
    """Return a plane where each pixel is black or white."""
    return np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (height, width))


def planes() -> list[Plane]:
    """Return Y, U and V of a 160 x 120 frame."""
    return [noise(120, 160), noise(60, 80, 2), noise(60, 80, 3)]


@pytest.mark.parametrize("options", OPTIONS)
def test_no_patch_changes_nothing(options: BlurOptions) -> None:
    """Without patches the planes stay equal."""
    after = planes()

    blur_patches(after, [], options)

    assert all(np.array_equal(one, two) for one, two in zip(after, planes(), strict=True))


@pytest.mark.parametrize("options", OPTIONS)
def test_detail_inside_is_gone_in_all_planes(options: BlurOptions) -> None:
    """Neighbouring pixels differ by 127 on average before, by a few steps after."""
    after = planes()

    blur_patches(after, [patch_at(RECT, 70.0)], options)

    luma = after[0][34:104, 50:100].astype(int)
    chroma = [plane[17:52, 25:50].astype(int) for plane in after[1:]]
    assert np.abs(np.diff(luma, axis=1)).mean() < 5
    assert max(np.abs(np.diff(plane, axis=1)).mean() for plane in chroma) < 10


@pytest.mark.parametrize("options", OPTIONS)
def test_pixels_outside_are_untouched(options: BlurOptions) -> None:
    """Not one of them changes, in any plane."""
    after = planes()

    blur_patches(after, [patch_at(RECT, 70.0)], options)

    after[0][20:118, 40:110] = 0
    before = planes()[0]
    before[20:118, 40:110] = 0
    assert np.array_equal(after[0], before)
    assert np.array_equal(after[1][:10], planes()[1][:10])
    assert np.array_equal(after[2][:, 55:], planes()[2][:, 55:])


@pytest.mark.parametrize("style", [BlurStyle.MOSAIC, BlurStyle.BLUR])
def test_equal_averages_give_equal_pixels(style: BlurStyle) -> None:
    """Only the averages of the cells are left: pictures that differ within cells come out the same."""
    one, two = planes(), planes()
    two[0][20:118, 40:110] = np.roll(two[0][20:118, 40:110].reshape(7, 14, 70), 3, axis=1).reshape(98, 70)

    blur_patches(one, [patch_at(RECT, 14.0 * CELLS)], replace(MOSAIC, style=style))
    blur_patches(two, [patch_at(RECT, 14.0 * CELLS)], replace(MOSAIC, style=style))

    assert np.array_equal(one[0], two[0])


def test_solid_leaves_one_value() -> None:
    """The grey does not depend on the picture."""
    one, two = planes(), [noise(120, 160, 7), noise(60, 80, 8), noise(60, 80, 9)]

    for picture in (one, two):
        blur_patches(picture, [patch_at(RECT, 70.0)], replace(MOSAIC, style=BlurStyle.SOLID))

    assert all(np.unique(plane[15:50, 45:50]).tolist() == [128] for plane in [*one[1:], *two[1:]])
    assert np.unique(np.vstack((one[0][20:118, 40:110], two[0][20:118, 40:110]))).tolist() == [128]


@pytest.mark.parametrize("style", [BlurStyle.MOSAIC, BlurStyle.BLUR])
def test_noise_belongs_to_the_track(style: BlurStyle) -> None:
    """It is equal in all frames of a track, so that averaging them keeps it, and differs between tracks."""
    one, again, other = planes(), planes(), planes()

    blur_patches(one, [patch_at(RECT, 70.0, b"one")], replace(MOSAIC, style=style))
    blur_patches(again, [patch_at(RECT, 70.0, b"one")], replace(MOSAIC, style=style))
    blur_patches(other, [patch_at(RECT, 70.0, b"other")], replace(MOSAIC, style=style))

    assert np.array_equal(one[0], again[0])
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("style", list(BlurStyle))
@pytest.mark.parametrize("depth", [10, 12])
def test_deep_samples_stay_in_their_range(style: BlurStyle, depth: int) -> None:
    """Black, white and noise on top never leave the values of the format, and the mean keeps its place."""
    top = (1 << depth) - 1
    after: list[Plane] = [(plane.astype(np.uint16) // 255 * top).astype(np.uint16) for plane in planes()]

    blur_patches(after, [patch_at(RECT, 70.0)], replace(MOSAIC, style=style, depth=depth))

    assert after[0].max() <= top
    assert after[0][34:104, 50:100].mean() == pytest.approx(top / 2, rel=0.1)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        pytest.param((60, 80), slice(10, 59), slice(20, 55), id="4:2:0"),
        pytest.param((120, 80), slice(20, 118), slice(20, 55), id="4:2:2"),
        pytest.param((120, 160), slice(20, 118), slice(40, 110), id="4:4:4"),
    ],
)
@pytest.mark.parametrize("options", OPTIONS)
def test_colours_are_covered_at_any_subsampling(
    shape: tuple[int, int], rows: slice, columns: slice, options: BlurOptions
) -> None:
    """The middle of every plane's patch is blurred, and nothing beside the patch."""
    chroma = noise(*shape, seed=5)
    before = chroma.copy()

    blur_patches([noise(120, 160), chroma, chroma.copy()], [patch_at(RECT, 70.0)], options)

    changed = chroma != before
    assert changed[rows, columns].mean() > 0.5
    assert changed.sum() == changed[rows, columns].sum()


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
    """A fixed cell size would leave large faces readable, and a border would sharpen the part it cuts off."""
    assert cell_grid(patch_at(rect, short_px), CELLS) == grid


@pytest.mark.parametrize("rect", [Rect(0, 0, 2, 2), Rect(158, 118, 160, 120), Rect(0, 0, 160, 120)])
@pytest.mark.parametrize("options", OPTIONS)
def test_patches_at_the_edges_are_blurred(rect: Rect, options: BlurOptions) -> None:
    """From one chroma sample to the whole frame."""
    after = planes()

    blur_patches(after, [patch_at(rect, 2.0 * CELLS)], options)

    assert not np.array_equal(after[0], planes()[0])


@pytest.mark.parametrize("options", OPTIONS)
def test_odd_frames_are_blurred_up_to_their_last_pixel(options: BlurOptions) -> None:
    """The last chroma sample of an odd frame belongs to one pixel only."""
    after: list[Plane] = [noise(121, 161), noise(61, 81, 2), noise(61, 81, 3)]
    before = [plane.copy() for plane in after]
    patch = Patch(Rect(100, 60, 161, 121), Rect(100, 60, 222, 182), 100.0, b"one")

    blur_patches(after, [patch], options)

    assert (after[0][90:, 130:] != before[0][90:, 130:]).mean() > 0.9
    assert (after[1][45:, 65:] != before[1][45:, 65:]).mean() > 0.9
