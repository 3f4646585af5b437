"""Observations: trajectories from each detection, and where shots begin and end."""

from __future__ import annotations

import math

import pytest

from blur_container.tracking.observations import NOTHING_SEEN, Cut, Glitch, Observations, without_glitches
from blur_container.tracking.trajectory import LOST, FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection

FACE = Box(0.4, 0.4, 0.1, 0.1)
START = Detection(1000, FACE, 99.0)
END = Detection(1500, FACE, 99.0)
CUTS = [Cut(2000, 2033), Cut(1000, 1033)]


def trajectory(*times_ms: float) -> Trajectory:
    """Return the trajectory of a face at rest."""
    return Trajectory(tuple(TrackedBox(time_ms, FACE) for time_ms in times_ms))


def test_nothing_seen_knows_no_path_and_no_cut() -> None:
    """Empty in, empty out."""
    assert NOTHING_SEEN.is_empty
    assert NOTHING_SEEN.between(START, END) == (LOST, LOST)
    assert NOTHING_SEEN.out(START, backward=True) == LOST
    assert not NOTHING_SEEN.cut_between(-math.inf, math.inf)
    assert NOTHING_SEEN.shot(0, 0) == (-math.inf, math.inf)


def test_faces_that_were_all_lost_were_looked_for() -> None:
    """A face that was followed and lost enlarges the blur: not the same as a face that was not followed."""
    seen = Observations([(FlowRequest(START, 1500), LOST)])

    assert not seen.is_empty
    assert seen.between(START, END) == (LOST, LOST)


@pytest.mark.parametrize("order", [1, -1])
def test_longest_path_from_a_detection_wins(order: int) -> None:
    """A face is followed to more than one other; the longest trajectory counts."""
    found = [
        (FlowRequest(START, 1500), trajectory(1100, 1200)),
        (FlowRequest(START, 2000), trajectory(1100, 1400)),
    ]

    seen = Observations(found[::order])

    assert seen.between(START, END)[0] == trajectory(1100, 1400)


def test_paths_lie_between_their_detections() -> None:
    """Each trajectory ends at the other detection."""
    seen = Observations(
        [
            (FlowRequest(START, 2000), trajectory(1100, 1500, 1900)),
            (FlowRequest(END, 500), trajectory(1400, 1000, 600)),
        ]
    )

    assert seen.between(START, END) == (trajectory(1100, 1500), trajectory(1400, 1000))


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [(0, 999, False), (1000, 1033, True), (900, 1100, True), (1001, 1999, False), (1010, 1020, False)],
)
def test_cut_lies_between_two_moments(start_ms: int, end_ms: int, *, expected: bool) -> None:
    """The two frames of the cut may be at the two times."""
    assert Observations(cuts=CUTS).cut_between(start_ms, end_ms) is expected


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "expected"),
    [
        (0, 1000, (-math.inf, 1033)),
        (1033, 1500, (1000, 2033)),
        (2033, 9000, (2000, math.inf)),
        (500, 1500, (-math.inf, 2033)),
        (1010, 1020, (-math.inf, 2033)),
    ],
    ids=["first", "middle", "last", "across a cut", "between the pictures of a cut"],
)
def test_shot_lasts_from_cut_to_cut(first_ms: int, last_ms: int, expected: tuple[float, float]) -> None:
    """Skipped frames of a cut may belong to both shots."""
    assert Observations(cuts=CUTS).shot(first_ms, last_ms) == expected


def test_face_that_is_followed_far_behind_a_cut_was_not_cut() -> None:
    """A fast pan resembles a cut; a face that was followed long past it is still there."""
    start = Detection(1000, Box(0.4, 0.3, 0.1, 0.1), 99.0)
    tracked_boxes = tuple(TrackedBox(1000.0 + 50 * step, start.box) for step in range(1, 10))
    seen = Observations([(FlowRequest(start, 2250.0), Trajectory(tracked_boxes))], [Cut(1120, 1140)])

    assert seen.out(start, backward=False).tracked_boxes == tracked_boxes


def test_way_out_ends_at_the_next_cut() -> None:
    """After a cut another face is in its place; both frames of the cut count."""
    start, end = Detection(1100, FACE, 99.0), Detection(1900, FACE, 99.0)
    onward, back = trajectory(1966, 2000, 2033, 2066), trajectory(1066, 1033, 1000, 966)

    seen = Observations([(FlowRequest(end, 3000), onward), (FlowRequest(start, 0), back)], CUTS)

    assert seen.out(end, backward=False) == trajectory(1966, 2000, 2033)
    assert seen.out(start, backward=True) == trajectory(1066, 1033, 1000)


@pytest.mark.parametrize(
    ("cuts", "glitches", "kept"),
    [
        ([], [], ([], [])),
        (CUTS, [], (sorted(CUTS), [])),
        (CUTS, [Glitch(3000, 4000)], (sorted(CUTS), [])),
        (CUTS, [Glitch(1000, 1033)], ([CUTS[0]], [Glitch(1000, 1033)])),
        (CUTS, [Glitch(900, 1500), Glitch(950, 1033)], ([CUTS[0]], [Glitch(900, 1500), Glitch(950, 1033)])),
        (CUTS, [Glitch(900, 2500)], ([], [Glitch(900, 2500)])),
        (CUTS, [Glitch(1001, 2032)], (sorted(CUTS), [])),
    ],
)
def test_cut_within_a_glitch_is_none(
    cuts: list[Cut], glitches: list[Glitch], kept: tuple[list[Cut], list[Glitch]]
) -> None:
    """A glitch without a cut is dropped too."""
    assert without_glitches(cuts, glitches) == kept


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "count"), [(0, 1000, 0), (0, 1001, 1), (1499, 3000, 1), (1500, 3000, 0)]
)
def test_glitches_between_two_moments_are_found(start_ms: float, end_ms: float, count: int) -> None:
    """The frames at both ends of a glitch are intact."""
    assert len(Observations(glitches=[Glitch(1000, 1500)]).glitches_between(start_ms, end_ms)) == count
