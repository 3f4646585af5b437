"""Tracklet graph: the flow requests of detections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.tracking.tracklets import TrackletGraph
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
REACH_MS = SETTINGS.follow_intervals * 500

boxes = st.builds(Box, st.floats(-0.1, 1), st.floats(-0.1, 1), st.floats(0, 0.3), st.floats(0, 0.3))
documents = st.lists(st.builds(Detection, st.integers(0, 4000), boxes, st.just(99.0)), max_size=20)


def seen(time_ms: int, left: float, size: float = 0.1) -> Detection:
    """Return a square detection."""
    return Detection(time_ms, Box(left, 0.4, size, size), 99.0)


def test_no_detection_needs_no_chase() -> None:
    """Empty in, empty out."""
    graph = TrackletGraph.of([], SETTINGS)

    assert graph.tracklets == ()
    assert list(graph.requests()) == []


def test_lone_detection_is_chased_out_both_ways() -> None:
    """It may have come long before the sample, and may stay long after it."""
    requests = list(TrackletGraph.of([seen(1000, 0.4)], SETTINGS).requests())

    assert [request.until_ms for request in requests] == [1000 - REACH_MS, 1000 + REACH_MS]
    assert [request.leads_back for request in requests] == [True, False]


def test_lone_detection_has_no_speed() -> None:
    """A face in one sample only may have any speed."""
    requests = list(TrackletGraph.of([seen(1000, 0.4)], SETTINGS).requests())

    assert [request.speed for request in requests] == [None, None]


def test_chain_is_chased_both_ways_between_its_detections() -> None:
    """And beyond its first and last detection."""
    one, other = seen(0, 0.4), seen(500, 0.45)

    requests = {
        (request.start, request.until_ms) for request in TrackletGraph.of([one, other], SETTINGS).requests()
    }

    assert requests == {(one, -REACH_MS), (one, 500), (other, 0), (other, 500 + REACH_MS)}


def test_bridge_is_chased_both_ways() -> None:
    """A face too fast for one tracklet may be followed all the same."""
    one, other = seen(0, 0.1, 0.05), seen(500, 0.5, 0.05)
    graph = TrackletGraph.of([one, other], SETTINGS)

    requests = {(request.start, request.until_ms) for request in graph.requests()}

    assert graph.gap_links == ((one, other),)
    assert requests >= {(one, 500.0), (other, 0.0)}


def test_speed_is_the_same_both_ways() -> None:
    """Speed is per time forward, whatever the direction of the request."""
    graph = TrackletGraph.of([seen(0, 0.40), seen(500, 0.45)], SETTINGS)

    speeds = [speed for request in graph.requests() for speed in request.speed or ()]

    assert speeds == pytest.approx([0.0001, 0.0] * 4)


@given(documents)
def test_every_detection_is_chased_both_ways(found: list[Detection]) -> None:
    """No detection is left without requests in both directions."""
    requests = list(TrackletGraph.of(found, SETTINGS).requests())

    assert {request.start for request in requests if request.leads_back} == set(found)
    assert {request.start for request in requests if not request.leads_back} == set(found)
