"""Review flags: moments to review are counted, and listed with their times and boxes."""

from __future__ import annotations

import pytest

from blur_container.settings import TrackSettings
from blur_container.tracking.observations import Cut, Observations
from blur_container.tracking.review import (
    ReviewFlag,
    ReviewReason,
    edges_of,
    review_flags_of,
    review_flags_to_json,
)
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.trajectory import FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
LONG_MS = 60_000.0


def seen(time_ms: int, left: float = 0.4, size: float = 0.1, confidence: float = 99.0) -> Detection:
    """Return a square detection."""
    return Detection(time_ms, Box(left, 0.3, size, size), confidence)


def tracks(*detections: Detection, cuts: tuple[Cut, ...] = ()) -> Tracks:
    """Return the tracks of detections whose faces were followed and lost at once."""
    graph = TrackletGraph.of(detections, SETTINGS)
    lost = [(request, Trajectory()) for request in graph.requests()]
    return Tracks([graph], Observations(lost, cuts))


def kinds(found: Tracks) -> list[ReviewReason]:
    """Return the kinds of the review flags of a long video."""
    return [flag.kind for flag in review_flags_of(found, LONG_MS)]


def test_no_track_leaves_no_doubt() -> None:
    """Empty in, empty out."""
    assert review_flags_of(tracks(), LONG_MS) == []
    assert edges_of(tracks())["begin"] == {"border": 0, "cut": 0, "open": 0}


def test_followed_face_at_the_border_is_no_doubt() -> None:
    """It was seen to come in and to go out."""
    enters, leaves = Box(-0.04, 0.3, 0.1, 0.1), Box(0.94, 0.3, 0.1, 0.1)
    first, last = (
        Detection(1000, Box(0.02, 0.3, 0.1, 0.1), 99.0),
        Detection(1500, Box(0.88, 0.3, 0.1, 0.1), 99.0),
    )
    graph = TrackletGraph.of([first, last], SETTINGS)
    back = Trajectory((TrackedBox(967.0, Box(0.0, 0.3, 0.1, 0.1)), TrackedBox(800.0, enters)))
    across = Trajectory(
        tuple(
            TrackedBox(1000.0 + step * 50, Box(0.02 + 0.086 * step, 0.3, 0.1, 0.1)) for step in range(1, 11)
        )
    )
    out = Trajectory((TrackedBox(1533.0, Box(0.9, 0.3, 0.1, 0.1)), TrackedBox(1700.0, leaves)))
    trajectories = [
        (FlowRequest(first, 0.0, (0.0, 0.0)), back),
        (FlowRequest(first, 1500.0, (0.0, 0.0)), across),
        (FlowRequest(last, 2750.0, (0.0, 0.0)), out),
    ]

    found = Tracks([graph], Observations(trajectories))

    assert review_flags_of(found, LONG_MS) == []
    assert edges_of(found) == {
        "begin": {"border": 1, "cut": 0, "open": 0},
        "end": {"border": 1, "cut": 0, "open": 0},
    }


def test_link_that_no_path_joins_is_a_bridged_gap() -> None:
    """From the earlier detection to the later one."""
    flags = review_flags_of(tracks(seen(1000), seen(1500)), LONG_MS)

    gaps = [flag for flag in flags if flag.kind is ReviewReason.BRIDGED_GAP]
    assert gaps == [ReviewFlag(ReviewReason.BRIDGED_GAP, 1000, 1500, seen(1000).box)]


def test_without_a_look_only_long_gaps_are_listed() -> None:
    """Every link is a guess then; links across a missed sample are the least certain."""
    found = Tracks.of([seen(500), seen(1000), seen(1500), seen(2500), seen(3000)], SETTINGS)

    gaps = [flag for flag in review_flags_of(found, LONG_MS) if flag.kind is ReviewReason.BRIDGED_GAP]

    assert [(gap.from_ms, gap.to_ms) for gap in gaps] == [(1500, 2500)]


def test_cut_inside_a_track_is_listed() -> None:
    """Two faces in one place, in two shots, or one face twice."""
    assert ReviewReason.CUT_IN_TRACK in kinds(tracks(seen(1000), seen(1500), cuts=(Cut(1200, 1233),)))


@pytest.mark.parametrize(("confidence", "is_listed"), [(59.0, True), (60.0, False)])
def test_face_that_no_sample_was_sure_of_is_listed(confidence: float, *, is_listed: bool) -> None:
    """It may be no face, or a face that is hard to see."""
    assert (ReviewReason.LOW_CONFIDENCE in kinds(tracks(seen(1000, confidence=confidence)))) is is_listed


@pytest.mark.parametrize(
    ("size", "time_ms", "is_listed"), [(0.3, 2000, True), (0.2, 2000, False), (0.3, 100, False)]
)
def test_face_first_seen_large_is_listed(size: float, time_ms: int, *, is_listed: bool) -> None:
    """Unless the video begins with it, it was there before its first detection."""
    assert (ReviewReason.LARGE_AT_FIRST in kinds(tracks(seen(time_ms, size=size)))) is is_listed


@pytest.mark.parametrize(("duration_ms", "is_listed"), [(LONG_MS, True), (1100.0, False)])
def test_face_lost_inside_the_frame_is_listed(duration_ms: float, *, is_listed: bool) -> None:
    """Unless the video ends with it."""
    found = [flag.kind for flag in review_flags_of(tracks(seen(1000)), duration_ms)]

    assert (ReviewReason.LOST_IN_FRAME in found) is is_listed


def test_doubts_are_in_the_order_of_their_times() -> None:
    """A reviewer goes through the video once."""
    flags = review_flags_of(tracks(seen(5000, confidence=10), seen(1000, confidence=10)), LONG_MS)

    assert [flag.from_ms for flag in flags] == sorted(flag.from_ms for flag in flags)


def test_json_counts_all_and_lists_the_first() -> None:
    """A manifest is read by people."""
    flag = ReviewFlag(ReviewReason.LOW_CONFIDENCE, 10, 20, Box(0.123456, 0.2, 0.3, 0.4))

    said = review_flags_to_json([flag] * 300)

    assert (said["counts"]["low-confidence"], said["counts"]["bridged-gap"], len(said["moments"])) == (
        300,
        0,
        200,
    )
    assert said["moments"][0] == {
        "kind": "low-confidence",
        "from_ms": 10,
        "to_ms": 20,
        "box": [0.1235, 0.2, 0.3, 0.4],
    }
