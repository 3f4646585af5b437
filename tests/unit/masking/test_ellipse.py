"""Ellipse masks: the whole face box is covered at any margin, and nothing outside the padded one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.geometry import Rect, Size, around, padded
from blur_container.masking.ellipse import Mask, ellipse_mask, shrunk
from chalicelib.contract.faces import Box

FRAME = Size(400, 300)

places = st.floats(-0.5, 1.2, allow_nan=False)
sides = st.floats(0.001, 1.5, allow_nan=False)
faces = st.builds(Box, places, places, sides, sides)
margins = st.floats(0, 3, allow_nan=False)


def mask_of(rect: Rect, margin: float) -> Mask:
    """Return the mask of a rect that no border cuts off."""
    return ellipse_mask(rect, rect, margin)


@given(faces, margins, st.floats(0, 1))
def test_every_pixel_of_the_face_box_is_covered(face: Box, base: float, growth: float) -> None:
    """At any margin, also where uncertainty has widened it or the border cuts it off."""
    whole = around(padded(face, base + growth), FRAME)
    visible = whole.within(FRAME) or Rect(0, 0, 0, 0)
    mask = np.zeros((FRAME.height, FRAME.width), np.uint8)

    mask[visible.top : visible.bottom, visible.left : visible.right] = ellipse_mask(whole, visible, base)

    rows = slice(max(0, math.floor(face.top * FRAME.height)), max(0, math.ceil(face.bottom * FRAME.height)))
    columns = slice(max(0, math.floor(face.left * FRAME.width)), max(0, math.ceil(face.right * FRAME.width)))
    assert mask[rows, columns].all()


def test_no_margin_covers_the_rect() -> None:
    """Without a margin the whole rect is the face."""
    assert mask_of(Rect(0, 0, 40, 60), 0.0).all()


def test_default_margin_is_nearly_an_ellipse() -> None:
    """A fifth of the padded rect stays as it was; an ellipse covers pi / 4 of its rect."""
    mask = mask_of(Rect(0, 0, 200, 300), 0.2)

    assert (mask == 255).mean() == pytest.approx(math.pi / 4, abs=0.03)


@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
def test_corners_of_the_rect_stay_bare(margin: float) -> None:
    """That is what the ellipse is for."""
    mask = mask_of(Rect(0, 0, 200, 300), margin)

    assert [mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]] == [0, 0, 0, 0]


def test_mask_at_the_border_is_a_part_of_the_whole() -> None:
    """A face on its way out keeps its shape."""
    whole = Rect(-20, -10, 80, 110)

    mask = ellipse_mask(whole, Rect(0, 0, 80, 100), 0.2)

    assert np.array_equal(mask, mask_of(whole, 0.2)[10:110, 20:])


def test_large_masks_are_drawn_like_small_ones() -> None:
    """Cached masks and others have the same form."""
    mask = mask_of(Rect(0, 0, 800, 800), 0.2)

    assert mask[0, 400] == mask[400, 0] == mask[799, 399] == 255
    assert mask[0, 0] == 0


def test_box_without_end_has_a_mask() -> None:
    """Only the part inside the frame is drawn."""
    whole = around(Box(-1e300, -1e300, 2e300, 2e300), FRAME)

    assert ellipse_mask(whole, Rect(0, 0, 400, 300), 0.2).all()


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        pytest.param((1, 1), [[0, 0, 0], [0, 255, 0], [0, 0, 0]], id="4:4:4"),
        pytest.param((2, 1), [[0, 0], [255, 0], [0, 0]], id="4:2:2"),
        pytest.param((2, 2), [[255, 0], [0, 0]], id="4:2:0"),
    ],
)
def test_sample_is_covered_where_one_of_its_pixels_is(
    ratio: tuple[int, int], expected: list[list[int]]
) -> None:
    """Colours show a face as well; a sample on the edge is covered."""
    mask = np.array([[0, 0, 0], [0, 255, 0], [0, 0, 0]], np.uint8)

    assert shrunk(mask, *ratio).tolist() == expected
