"""Tracks of followed faces: whatever trajectories and cuts there are, every detection is covered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.tracking.observations import Cut, Observations
from blur_container.tracking.track import Edge
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.trajectory import LOST, FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection
from tests.checks.box_cover import covers, is_covered, rounded

SETTINGS = TrackSettings()
HOLD_MS = SETTINGS.hold_intervals * 500


def cuts_after(gaps: list[tuple[int, int]]) -> list[Cut]:
    """Return consecutive cuts from pairs: ms since the last cut, and ms between the cut's frames."""
    ends = list(accumulate(wait + length for wait, length in gaps))
    return [Cut(end - length, end) for end, (_, length) in zip(ends, gaps, strict=True)]


shares = st.floats(-0.3, 1.2, allow_nan=False)
sides = st.floats(0.0, 0.5, allow_nan=False)
boxes = st.builds(Box, shares, shares, sides, sides)
documents = st.lists(st.builds(Detection, st.integers(0, 4000), boxes, st.just(99.0)), max_size=8)
moments = st.integers(-500, 5000)
cuts = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 134)), max_size=4).map(cuts_after)
steps = st.lists(st.tuples(st.floats(1, 200), boxes), max_size=5)


@dataclass(frozen=True)
class Scene:
    """Detections, and the observations around them."""

    found: list[Detection]
    trajectories: list[tuple[FlowRequest, Trajectory]]
    cuts: list[Cut]

    def tracks(self) -> Tracks:
        """Return the tracks of the scene."""
        return Tracks([TrackletGraph.of(self.found, SETTINGS)], Observations(self.trajectories, self.cuts))

    def later(self, by_ms: int) -> Scene:
        """Return the same scene at another time."""
        return Scene(
            [moved(detection, by_ms) for detection in self.found],
            [
                (later_request(request, by_ms), later_trajectory(trajectory, by_ms))
                for request, trajectory in self.trajectories
            ],
            [Cut(cut.before_ms + by_ms, cut.after_ms + by_ms) for cut in self.cuts],
        )


@st.composite
def scenes(draw: Any) -> Scene:
    """Return detections, a random trajectory for each of their flow requests, and random cuts."""
    found = draw(documents)
    requests = list(TrackletGraph.of(found, SETTINGS).requests())
    return Scene(found, [(request, trajectory_of(request, draw(steps))) for request in requests], draw(cuts))


def trajectory_of(request: FlowRequest, walk: list[tuple[float, Box]]) -> Trajectory:
    """Return a trajectory within the time of its flow request."""
    sign, time_ms, tracked_boxes = -1 if request.leads_back else 1, float(request.start.time_ms), []
    for step_ms, box in walk:
        time_ms += sign * step_ms
        tracked_boxes.append(TrackedBox(time_ms, box))
    return Trajectory(
        tuple(tracked for tracked in tracked_boxes if request.begin_ms <= tracked.time_ms <= request.end_ms)
    )


def moved(detection: Detection, by_ms: int) -> Detection:
    """Return a detection at another time."""
    return replace(detection, time_ms=detection.time_ms + by_ms)


def later_request(request: FlowRequest, by_ms: int) -> FlowRequest:
    """Return a flow request at another time."""
    return request._replace(start=moved(request.start, by_ms), until_ms=request.until_ms + by_ms)


def later_trajectory(trajectory: Trajectory, by_ms: int) -> Trajectory:
    """Return a trajectory at another time."""
    return Trajectory(
        tuple(TrackedBox(tracked.time_ms + by_ms, tracked.box) for tracked in trajectory.tracked_boxes)
    )


def seen(time_ms: int, left: float = 0.4) -> Detection:
    """Return a detection a tenth of the frame wide and high."""
    return Detection(time_ms, Box(left, 0.4, 0.1, 0.1), 99.0)


def trajectory(*places: tuple[float, float]) -> Trajectory:
    """Return a trajectory through (ms, left)."""
    return Trajectory(tuple(TrackedBox(time_ms, Box(left, 0.4, 0.1, 0.1)) for time_ms, left in places))


def tracks_of(
    found: list[Detection], trajectories: list[tuple[FlowRequest, Trajectory]], *cut_at: Cut
) -> Tracks:
    """Return the tracks of detections, trajectories and cuts."""
    return Scene(found, trajectories, list(cut_at)).tracks()


def test_no_detection_gives_no_track_whatever_was_seen() -> None:
    """Cuts alone are no faces."""
    tracks = tracks_of([], [], Cut(1000, 1033))

    assert tracks.count == 0
    assert tracks.boxes_at(1000) == []


@given(scenes())
def test_every_detection_is_covered_at_its_own_time(scene: Scene) -> None:
    """No trajectory and no cut uncovers it."""
    tracks = scene.tracks()

    assert all(is_covered(tracks, detection.time_ms, detection.box) for detection in scene.found)


@given(scenes(), st.randoms(use_true_random=False), moments)
def test_order_does_not_matter(scene: Scene, random: Any, time_ms: int) -> None:
    """Cuts are a set, as the document is."""
    found, cut_at = (random.sample(part, len(part)) for part in (scene.found, scene.cuts))
    shuffled = Scene(found, scene.trajectories, cut_at)

    assert rounded(shuffled.tracks().boxes_at(time_ms)) == rounded(scene.tracks().boxes_at(time_ms))


@given(scenes(), moments, st.integers(1, 100_000))
def test_later_scene_gives_the_same_masks_later(scene: Scene, time_ms: int, by_ms: int) -> None:
    """Only differences in time count. Sampled times avoid the edges of tracks, where sums are rounded."""
    at_ms = time_ms + 0.37

    shifted = rounded(scene.later(by_ms).tracks().boxes_at(at_ms + by_ms))
    here = rounded(scene.tracks().boxes_at(at_ms))

    # Sums of other times are rounded elsewhere: by a digit of the last place.
    assert list(chain(*shifted)) == pytest.approx(list(chain(*here)), abs=2e-6)


@given(scenes())
def test_track_lasts_across_a_cut_only_where_a_path_crosses_it(scene: Scene) -> None:
    """After a cut there is another face, unless one was followed across."""
    lone = Scene(scene.found, [(request, LOST) for request, _ in scene.trajectories], scene.cuts).tracks()

    crossed = [
        (track, cut)
        for track in lone.of_faces
        for cut in scene.cuts
        if track.start_ms <= cut.before_ms
        and track.end_ms >= cut.after_ms
        # A sample between the two frames of a cut may belong to either shot; samples are always decoded.
        and not any(cut.before_ms < detection.time_ms < cut.after_ms for detection in scene.found)
    ]
    assert crossed == []


@settings(max_examples=200)
@given(steps, st.floats(0, 1), st.booleans())
def test_lost_path_gives_no_less_than_the_hold(
    walk: list[tuple[float, Box]],
    share: float,
    back: bool,  # noqa: FBT001 drawn
) -> None:
    """Where it was lost the face is held as long as without following it, unless it left the frame."""
    start = seen(1000)
    request = FlowRequest(start, -250 if back else 2250)
    interpolation = trajectory_of(request, walk)
    (track,) = tracks_of([start], [(request, interpolation)]).of_faces
    last = interpolation.tracked_boxes[-1] if interpolation.tracked_boxes else TrackedBox(1000, start.box)

    edge, end_ms = (track.opening, track.start_ms) if back else (track.closing, track.end_ms)

    held_ms = last.time_ms + share * (end_ms - last.time_ms)
    assert edge is Edge.BORDER or abs(end_ms - 1000) >= HOLD_MS
    assert covers(track.box_at(held_ms), last.box)


def test_faces_that_were_lost_at_once_are_covered_wider() -> None:
    """A face that was followed and lost is covered no less than one that was not followed."""
    one, other = seen(0, 0.40), seen(500, 0.45)
    lost = [(FlowRequest(one, 500), LOST), (FlowRequest(other, 0), LOST)]

    doubtful, unseen = tracks_of([one, other], lost), Tracks.of([one, other], SETTINGS)

    assert covers(doubtful.boxes_at(250)[0], unseen.boxes_at(250)[0])
    assert doubtful.gaps != []


def test_cut_ends_a_hold() -> None:
    """The face after it is another one."""
    tracks = tracks_of([seen(1000)], [], Cut(1200, 1233))

    assert tracks.boxes_at(1232.9) != []
    assert tracks.boxes_at(1233.4) == []


@pytest.mark.parametrize("time_ms", [1100, 1400])
def test_chain_across_a_cut_is_held_on_both_sides(time_ms: int) -> None:
    """Each face up to the cut, and not the line between them."""
    found = [seen(1000, 0.40), seen(1500, 0.45)]
    tracks = tracks_of(found, [(FlowRequest(found[0], 1500), LOST)], Cut(1233, 1267))

    assert tracks.count == 2
    assert len(tracks.boxes_at(time_ms)) == 1


def test_face_that_left_is_not_held() -> None:
    """It was seen to cross the border: the mask goes with it."""
    start = seen(1000, 0.02)

    tracks = tracks_of([start], [(FlowRequest(start, 2250), trajectory((1100, -0.02), (1200, -0.06)))])

    assert tracks.boxes_at(1200) != []
    assert tracks.boxes_at(1400) == []
