"""Places: boxes never leave the frame as rects, and find their way through turns and mirrors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.geometry import Orientation, Rect, Size, around, boxes_orientation, hull, padded
from chalicelib.contract.errors import UnsupportedVideo
from chalicelib.contract.faces import Box

UNIT = 1 << 16
# FFmpeg's nine numbers; the names say how the player turns the coded frame.
MATRICES = {
    "as it is": (UNIT, 0, 0, 0, UNIT, 0, 0, 0, 1 << 30),
    "clockwise": (0, UNIT, 0, -UNIT, 0, 0, 0, 0, 1 << 30),
    "half": (-UNIT, 0, 0, 0, -UNIT, 0, 0, 0, 1 << 30),
    "counter-clockwise": (0, -UNIT, 0, UNIT, 0, 0, 0, 0, 1 << 30),
    "mirrored": (-UNIT, 0, 0, 0, UNIT, 0, 0, 0, 1 << 30),
}
TOP_LEFT = Box(0.0, 0.0, 0.2, 0.1)
CODED = Size(320, 180)

fractions = st.floats(-2, 3, allow_nan=False)
sizes = st.floats(1e-3, 3, allow_nan=False)
boxes = st.builds(Box, fractions, fractions, sizes, sizes)
frames = st.builds(
    Size, st.integers(1, 400).map(lambda half: 2 * half), st.integers(1, 400).map(lambda half: 2 * half)
)
orientations = st.sampled_from([Orientation.from_display_matrix(matrix) for matrix in MATRICES.values()])


@given(boxes, frames)
def test_no_rect_leaves_the_frame(box: Box, frame: Size) -> None:
    """Faces over a border are cut off at it."""
    rect = around(box, frame).within(frame)

    assert rect is None or (
        0 <= rect.left < rect.right <= frame.width and 0 <= rect.top < rect.bottom <= frame.height
    )


@given(boxes, frames)
def test_rects_begin_and_end_on_even_pixels(box: Box, frame: Size) -> None:
    """One chroma sample stands for two by two pixels: half of it cannot be blurred."""
    rect = around(box, frame).within(frame) or Rect(0, 0, 0, 0)

    assert [edge % 2 for edge in (rect.left, rect.top, rect.right, rect.bottom)] == [0, 0, 0, 0]


@given(boxes, frames, st.floats(0, 1), st.floats(0, 1))
def test_every_pixel_of_a_box_is_covered(box: Box, frame: Size, across: float, down: float) -> None:
    """A point of the box that is inside the frame is inside its rect."""
    x, y = (box.left + across * box.width) * frame.width, (box.top + down * box.height) * frame.height
    inside = 1e-6 < x < frame.width - 1e-6 and 1e-6 < y < frame.height - 1e-6
    rect = around(box, frame).within(frame)

    covered = rect is not None and (
        rect.left <= x + 1e-6 and x - 1e-6 <= rect.right and rect.top <= y + 1e-6 and y - 1e-6 <= rect.bottom
    )

    assert covered or not inside


@pytest.mark.parametrize(
    "box",
    [Box(-0.5, 0.1, 0.4, 0.2), Box(1.0, 0.1, 0.2, 0.2), Box(0.1, -1, 0.2, 0.5), Box(0.1, 1.5, 0.2, 0.5)],
)
def test_box_outside_the_frame_has_no_rect(box: Box) -> None:
    """A box outside the frame has no rect."""
    assert around(box, CODED).within(CODED) is None


def test_chroma_rect_is_half_the_luma_rect() -> None:
    """The planes of 4:2:0 show the same area with a quarter of the samples."""
    assert Rect(10, 20, 30, 44).scaled_down(2, 2) == Rect(5, 10, 15, 22)


def test_hull_of_one_box_is_itself() -> None:
    """The hull of a single box equals the box."""
    assert hull([TOP_LEFT]) == TOP_LEFT


@given(st.lists(boxes, min_size=1, max_size=5))
def test_hull_reaches_the_farthest_edges(given_boxes: list[Box]) -> None:
    """The hull of boxes is the smallest box around all of them."""
    around = hull(given_boxes)

    assert around.left == min(box.left for box in given_boxes)
    assert around.right == pytest.approx(max(box.right for box in given_boxes))


def test_padding_counts_in_sizes_of_the_box() -> None:
    """A fifth on each side of a face 0.1 wide is 0.02."""
    grown = padded(Box(0.4, 0.4, 0.1, 0.2), 0.2)

    assert (grown.left, grown.top, grown.right, grown.bottom) == pytest.approx((0.38, 0.36, 0.52, 0.64))


@pytest.mark.parametrize(
    ("turn", "corner"),
    [
        ("as it is", Box(0.0, 0.0, 0.2, 0.1)),
        ("clockwise", Box(0.0, 0.8, 0.1, 0.2)),
        ("half", Box(0.8, 0.9, 0.2, 0.1)),
        ("counter-clockwise", Box(0.9, 0.0, 0.1, 0.2)),
        ("mirrored", Box(0.8, 0.0, 0.2, 0.1)),
    ],
)
def test_displayed_corner_is_found_in_the_coded_frame(turn: str, corner: Box) -> None:
    """The top left of what is seen lies elsewhere in what is stored."""
    found = Orientation.from_display_matrix(MATRICES[turn]).to_coded(TOP_LEFT)

    assert (found.left, found.top, found.width, found.height) == pytest.approx(
        (corner.left, corner.top, corner.width, corner.height)
    )


def test_no_matrix_means_as_it_is() -> None:
    """Without a display matrix the orientation is the identity."""
    assert Orientation.from_display_matrix(None) == Orientation()


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param((), id="empty"),
        pytest.param((46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30), id="45 degrees"),
        pytest.param((0,) * 9, id="nothing"),
        pytest.param((UNIT, UNIT, 0, 0, UNIT, 0, 0, 0, 1 << 30), id="skewed"),
    ],
)
def test_other_matrices_are_refused(matrix: tuple[int, ...]) -> None:
    """A face would be blurred beside itself."""
    with pytest.raises(UnsupportedVideo):
        Orientation.from_display_matrix(matrix)


@given(orientations, boxes)
def test_boxes_keep_their_area_when_turned(orientation: Orientation, box: Box) -> None:
    """Turning and mirroring neither shrink nor grow."""
    turned = orientation.to_coded(box)

    assert {turned.width, turned.height} == {box.width, box.height}


@pytest.mark.parametrize(
    ("analysed", "turned"),
    [
        pytest.param(Size(180, 320), True, id="as displayed"),
        pytest.param(Size(320, 180), False, id="as coded"),
        pytest.param(Size(1080, 1920), True, id="scaled"),
        pytest.param(Size(200, 200), True, id="square"),
        pytest.param(Size(0, 0), True, id="unknown"),
    ],
)
def test_shape_tells_whether_the_detector_turned_the_frame(analysed: Size, *, turned: bool) -> None:
    """Boxes are mapped only where the detector looked at the displayed frame."""
    quarter = Orientation.from_display_matrix(MATRICES["clockwise"])

    assert boxes_orientation(quarter, coded=CODED, analysed=analysed) == (
        quarter if turned else Orientation()
    )


def test_half_turn_leaves_no_trace_in_the_shape() -> None:
    """Then boxes count in what is displayed."""
    half = Orientation.from_display_matrix(MATRICES["half"])

    assert boxes_orientation(half, coded=CODED, analysed=CODED) == half
