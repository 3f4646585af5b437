"""Tracklet linking: tracklets as the observed trajectories confirm them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.tracking.interpolation import Interpolations
from blur_container.tracking.linking import LinkedTracklets, link_tracklets
from blur_container.tracking.observations import NOTHING_SEEN, Observations
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.trajectory import LOST, FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
AWAY = Detection(9000, Box(0.9, 0.9, 0.05, 0.05), 99.0)

shares = st.floats(-0.2, 1.1, allow_nan=False)
boxes = st.builds(Box, shares, shares, st.floats(0.0, 0.3), st.floats(0.0, 0.3))
documents = st.lists(st.builds(Detection, st.integers(0, 3000), boxes, st.just(99.0)), max_size=20)


def seen(time_ms: int, left: float) -> Detection:
    """Return a detection a tenth of the frame wide and high."""
    return Detection(time_ms, Box(left, 0.4, 0.1, 0.1), 99.0)


def trajectory(*places: tuple[float, float]) -> Trajectory:
    """Return a trajectory through (ms, left)."""
    return Trajectory(tuple(TrackedBox(time_ms, Box(left, 0.4, 0.1, 0.1)) for time_ms, left in places))


def graph_of(*found: Detection) -> TrackletGraph:
    """Return the tracklet graph of detections."""
    return TrackletGraph.of(found, SETTINGS)


def linked(graph: TrackletGraph, observations: Observations) -> LinkedTracklets:
    """Return the linked tracklets of a graph."""
    return link_tracklets(graph, observations, Interpolations(observations, SETTINGS))


def test_no_detection_gives_no_chain() -> None:
    """Empty in, empty out, whatever was seen."""
    seen_elsewhere = Observations([(FlowRequest(AWAY, 9500), trajectory((9100, 0.9)))])

    assert linked(graph_of(), NOTHING_SEEN).tracklets == ()
    assert linked(graph_of(), seen_elsewhere).tracklets == ()


def test_without_a_look_the_layout_stays() -> None:
    """Place and size alone decide."""
    graph = graph_of(seen(0, 0.2), seen(500, 0.25), seen(0, 0.6), seen(500, 0.62))

    joined = linked(graph, NOTHING_SEEN)

    assert joined.tracklets == graph.tracklets
    assert joined.gap_links == graph.gap_links


def test_link_in_doubt_stays() -> None:
    """Lost faces say nothing against it: it is covered wider, not given up."""
    one, other = seen(0, 0.4), seen(500, 0.42)

    joined = linked(
        graph_of(one, other), Observations([(FlowRequest(one, 500), LOST), (FlowRequest(other, 0), LOST)])
    )

    assert joined.tracklets == ((one, other),)


def test_crossing_faces_are_paired_by_their_paths() -> None:
    """By place alone each face would have turned back where they met."""
    left, right, from_right, from_left = seen(0, 0.38), seen(0, 0.52), seen(500, 0.38), seen(500, 0.52)
    graph = graph_of(left, right, from_right, from_left)
    trajectories = [
        (FlowRequest(left, 500), trajectory((250, 0.45), (500, 0.52))),
        (FlowRequest(right, 500), trajectory((250, 0.45), (500, 0.38))),
        (FlowRequest(from_left, 0), trajectory((250, 0.45), (0, 0.38))),
        (FlowRequest(from_right, 0), trajectory((250, 0.45), (0, 0.52))),
    ]

    joined = linked(graph, Observations(trajectories))

    assert set(graph.tracklets) == {(left, from_right), (right, from_left)}
    assert set(joined.tracklets) == {(left, from_left), (right, from_right)}


def test_link_of_a_face_that_left_is_parted() -> None:
    """One went out over the border, another came in after it."""
    gone, come = seen(0, 0.05), seen(500, 0.02)
    out = trajectory((100, 0.01), (200, -0.03), (250, -0.05))

    joined = linked(graph_of(gone, come), Observations([(FlowRequest(gone, 500), out)]))

    assert joined.tracklets == ((gone,), (come,))


def test_link_of_a_face_that_came_in_is_parted() -> None:
    """The later one came over the border after the earlier one had gone unseen."""
    gone, come = seen(0, 0.02), seen(500, 0.05)
    back = trajectory((400, 0.01), (300, -0.03), (250, -0.05))

    joined = linked(graph_of(gone, come), Observations([(FlowRequest(come, 0), back)]))

    assert joined.tracklets == ((gone,), (come,))


def test_nearest_sample_in_time_is_joined_first() -> None:
    """A face at rest is as near to the sample after the next."""
    one, two, three = seen(0, 0.40), seen(500, 0.75), seen(1000, 0.78)
    onward = trajectory((250, 0.6), (500, 0.76), (750, 0.77), (1000, 0.78))

    joined = linked(graph_of(one, two, three), Observations([(FlowRequest(one, 1000), onward)]))

    assert joined.tracklets == ((one, two, three),)


def test_bridge_to_the_next_sample_stays() -> None:
    """From one sample to the next a face can be too fast to follow."""
    one, other, rest = seen(0, 0.1), seen(500, 0.5), [seen(time_ms, 0.9) for time_ms in (0, 500, 1000)]
    graph = graph_of(one, other, *rest)

    assert (one, other) in linked(graph, Observations([(FlowRequest(one, 500), LOST)])).gap_links


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [(LOST, True), (trajectory((100, 0.1), (400, 0.1)), False)],
    ids=["lost at once", "seen at rest"],
)
def test_bridge_over_a_missed_sample_ends_where_a_face_was_seen(
    *, interpolation: Trajectory, expected: bool
) -> None:
    """A face that was followed and stayed is not elsewhere later; one that was lost at once may be fast."""
    one, other, rest = seen(0, 0.1), seen(1000, 0.5), [seen(time_ms, 0.9) for time_ms in (0, 500, 1000)]
    graph = graph_of(one, other, *rest)

    joined = linked(
        graph, Observations([(FlowRequest(one, 1000), interpolation), (FlowRequest(other, 0), LOST)])
    )

    assert ((one, other) in graph.gap_links) is True
    assert ((one, other) in joined.gap_links) is expected


@given(documents, st.data())
def test_each_detection_is_in_exactly_one_chain(found: list[Detection], data: st.DataObject) -> None:
    """Whatever was observed, linking neither drops nor doubles a detection, and times rise."""
    graph = graph_of(*found)
    seen_anywhere = Observations((request, random_path(request, data)) for request in graph.requests())

    tracklets = linked(graph, seen_anywhere).tracklets

    joined = [detection for tracklet in tracklets for detection in tracklet]
    assert len(joined) == len(set(joined))
    assert set(joined) == set(found)
    assert all(
        [d.time_ms for d in tracklet] == sorted({d.time_ms for d in tracklet}) for tracklet in tracklets
    )


def random_path(request: FlowRequest, data: st.DataObject) -> Trajectory:
    """Return any trajectory of a flow request."""
    places = data.draw(st.lists(boxes, max_size=4))
    step_ms = (request.until_ms - request.start.time_ms) / 4
    tracked_boxes = (
        TrackedBox(request.start.time_ms + step_ms * (at + 1), box) for at, box in enumerate(places)
    )
    return Trajectory(tuple(tracked_boxes))
