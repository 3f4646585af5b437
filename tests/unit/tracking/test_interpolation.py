"""Interpolation: the boxes of a face between and beyond its detections, certain and uncertain."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.geometry import distance_faces, visible_share
from blur_container.settings import TrackSettings
from blur_container.tracking.interpolation import interpolation_between, interpolation_to_border
from blur_container.tracking.trajectory import LOST, Keyframe, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection
from tests.checks.box_cover import covers

SETTINGS = TrackSettings()
INTERVAL_MS = 500

shares = st.floats(-0.2, 1.1, allow_nan=False)
boxes = st.builds(Box, shares, shares, st.floats(0.0, 0.4), st.floats(0.0, 0.4))
moments = st.lists(st.floats(1, 499, allow_nan=False), max_size=12, unique=True)


def face(left: float, top: float = 0.4) -> Box:
    """Return a face a tenth of the frame wide and high."""
    return Box(left, top, 0.1, 0.1)


def seen(time_ms: int, left: float, top: float = 0.4) -> Detection:
    """Return a detection of such a face."""
    return Detection(time_ms, face(left, top), 99.0)


def trajectory(*places: tuple[float, float]) -> Trajectory:
    """Return a trajectory through (ms, left)."""
    return Trajectory(tuple(TrackedBox(time_ms, face(left)) for time_ms, left in places))


def places(keyframes: tuple[Keyframe, ...]) -> list[tuple[float, float]]:
    """Return (ms, left) of keyframes, rounded."""
    return [(keyframe.time_ms, round(keyframe.box.left, 6)) for keyframe in keyframes]


@pytest.mark.parametrize("found", [LOST, trajectory((100, 0.2))], ids=["empty", "one box"])
def test_short_path_is_kept_whole(found: Trajectory) -> None:
    """A single box has no direction."""
    assert found.until(0) == found


def test_onward_path_ends_with_its_moment() -> None:
    """That time is included, also if it was rounded to milliseconds."""
    assert trajectory((100, 0.1), (200.4, 0.2), (300, 0.3)).until(200) == trajectory((100, 0.1), (200.4, 0.2))


def test_path_back_ends_with_its_moment() -> None:
    """Backward in time the earlier boxes are left out."""
    assert trajectory((300, 0.3), (199.6, 0.2), (100, 0.1)).until(200) == trajectory((300, 0.3), (199.6, 0.2))


def test_path_tells_nothing_far_from_its_fixes() -> None:
    """A box counts for its own frame and the few skipped frames around it."""
    found = trajectory((100, 0.1), (200, 0.2))

    assert LOST.box_at(100) is None
    assert found.box_at(240) == face(0.2)
    assert found.box_at(400) is None


def test_one_path_that_arrives_tells_the_way() -> None:
    """The other was lost; the boxes are moved so that the last is the detection's."""
    onward = trajectory((250, 0.4), (500, 0.38))

    interpolation = interpolation_between(seen(0, 0.2), seen(500, 0.4), onward, LOST, SETTINGS)

    assert interpolation.certain
    assert places(interpolation.keyframes) == [(250, 0.41)]


def test_path_back_that_arrives_tells_the_way() -> None:
    """The same backward, with keyframes in the order of time."""
    back = trajectory((300, 0.35), (150, 0.3), (0, 0.22))

    interpolation = interpolation_between(seen(0, 0.2), seen(500, 0.4), LOST, back, SETTINGS)

    assert interpolation.certain
    assert places(interpolation.keyframes) == [(150, 0.286), (300, 0.342)]


def test_paths_that_agree_are_blended() -> None:
    """Each counts more the nearer it is to where it began."""
    onward, back = trajectory((250, 0.30), (500, 0.40)), trajectory((250, 0.32), (0, 0.20))

    interpolation = interpolation_between(seen(0, 0.2), seen(500, 0.4), onward, back, SETTINGS)

    assert interpolation.certain
    assert places(interpolation.keyframes) == [(250, 0.31)]


def test_paths_that_differ_are_both_covered() -> None:
    """Both arrive, and were a face apart between the detections."""
    onward, back = trajectory((250, 0.25), (500, 0.40)), trajectory((250, 0.35), (0, 0.20))

    (keyframe,) = interpolation_between(seen(0, 0.2), seen(500, 0.4), onward, back, SETTINGS).keyframes

    assert covers(keyframe.box, face(0.25))
    assert covers(keyframe.box, face(0.35))


def test_paths_that_meet_on_their_way_tell_it() -> None:
    """Neither arrives: one leads to the meeting point, the other from there."""
    onward, back = trajectory((100, 0.25), (200, 0.30)), trajectory((400, 0.38), (300, 0.34), (200, 0.31))

    interpolation = interpolation_between(seen(0, 0.2), seen(500, 0.4), onward, back, SETTINGS)

    assert interpolation.certain
    assert places(interpolation.keyframes) == [(100, 0.25), (200, 0.30), (300, 0.34), (400, 0.38)]


def test_path_to_another_place_tells_no_way() -> None:
    """The trajectory ends more than half a face beside the detection."""
    onward = trajectory((250, 0.5), (500, 0.6))

    assert not interpolation_between(seen(0, 0.2), seen(500, 0.4), onward, LOST, SETTINGS).certain


@given(moments, moments, st.data())
def test_doubt_covers_both_paths_and_the_straight_line(
    ahead_ms: list[float], behind_ms: list[float], data: st.DataObject
) -> None:
    """Without a certain interpolation every tracked box is covered."""
    earlier, later = Detection(0, data.draw(boxes), 99.0), Detection(500, data.draw(boxes), 99.0)
    onward = Trajectory(tuple(TrackedBox(time_ms, data.draw(boxes)) for time_ms in sorted(ahead_ms)))
    back = Trajectory(
        tuple(TrackedBox(time_ms, data.draw(boxes)) for time_ms in sorted(behind_ms, reverse=True))
    )

    interpolation = interpolation_between(earlier, later, onward, back, SETTINGS)

    found = {keyframe.time_ms: keyframe.box for keyframe in interpolation.keyframes}
    assert interpolation.certain or all(
        covers(found[tracked.time_ms], tracked.box)
        for tracked in (*onward.tracked_boxes, *back.tracked_boxes)
    )
    assert interpolation.certain or all(covers(box, between(earlier, later, at)) for at, box in found.items())


def between(earlier: Detection, later: Detection, time_ms: float) -> Box:
    """Return the box on the straight line, computed independently."""
    share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    one, other = earlier.box, later.box
    left, top = one.left + share * (other.left - one.left), one.top + share * (other.top - one.top)
    width, height = (
        one.width + share * (other.width - one.width),
        one.height + share * (other.height - one.height),
    )
    return Box(left, top, width, height)


@given(moments, moments, st.data())
def test_knots_lie_strictly_between_the_detections(
    ahead_ms: list[float], behind_ms: list[float], data: st.DataObject
) -> None:
    """The detections are keyframes of their own; between them times rise."""
    earlier, later = Detection(100, data.draw(boxes), 99.0), Detection(400, data.draw(boxes), 99.0)
    onward = Trajectory(tuple(TrackedBox(time_ms, data.draw(boxes)) for time_ms in sorted(ahead_ms)))
    back = Trajectory(
        tuple(TrackedBox(time_ms, data.draw(boxes)) for time_ms in sorted(behind_ms, reverse=True))
    )

    keyframes = interpolation_between(earlier, later, onward, back, SETTINGS).keyframes

    times = [100, *(keyframe.time_ms for keyframe in keyframes), 400]
    assert times == sorted(set(times))


def test_way_out_of_a_lost_face_has_no_knot() -> None:
    """Nothing was followed: nothing is known."""
    interpolation = interpolation_to_border(seen(0, 0.4), LOST, INTERVAL_MS, SETTINGS)

    assert interpolation.keyframes == ()
    assert not interpolation.certain


def test_doubt_grows_on_the_way_out() -> None:
    """Optical flow drifts with the time from the detection."""
    interpolation = interpolation_to_border(
        seen(0, 0.4), trajectory((100, 0.4), (300, 0.4), (600, 0.4)), INTERVAL_MS, SETTINGS
    )

    uncertainties = [keyframe.uncertainty for keyframe in interpolation.keyframes]
    assert uncertainties == sorted(set(uncertainties))
    assert not interpolation.certain


def test_box_of_no_size_is_visible() -> None:
    """No part of it is outside."""
    assert visible_share(Box(2, 2, 0, 0)) == 1
    assert visible_share(Box(-0.05, 0.4, 0.1, 0.1)) == pytest.approx(0.5)


def test_boxes_of_no_size_are_far_apart() -> None:
    """Distances are in face sizes, and the size is zero."""
    assert distance_faces(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == math.inf
