"""Gap links: a face too fast for the association is covered between two tracklets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.tracking.gap_links import gap_links
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
boxes = st.builds(Box, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
tracklets = st.lists(st.tuples(st.builds(Detection, st.integers(0, 5000), boxes, st.just(99.0))), max_size=30)


def seen(time_ms: int, left: float, size: float = 0.05) -> Detection:
    """Return a square detection."""
    return Detection(time_ms, Box(left, 0.4, size, size), 99.0)


def test_no_chain_needs_no_bridge() -> None:
    """Empty in, empty out."""
    assert gap_links([], 500, SETTINGS) == []


def test_small_fast_face_is_covered_between_two_samples() -> None:
    """Eight face widths in half a second are too many for one tracklet, but not for one face."""
    times = [0, 500, 1000, 1500]
    tracks = Tracks.of([seen(time_ms, 0.05 + 0.4 * time_ms / 500 / 2) for time_ms in times], SETTINGS)

    halfway = tracks.boxes_at(750)

    centre = 0.05 + 0.4 * 1.5 / 2 + 0.025
    assert any(box.left < centre < box.right for box in halfway)


def test_far_jump_is_no_bridge() -> None:
    """A face that leaves at one side and another that enters at the other are two faces."""
    left, right = seen(0, 0.02), seen(500, 0.9)

    assert gap_links([(left,), (right,)], 500, SETTINGS) == []


def test_start_long_after_the_end_is_no_bridge() -> None:
    """After two and a half intervals it is another face."""
    earlier, later = seen(0, 0.4), seen(1300, 0.4)

    assert gap_links([(earlier,), (later,)], 500, SETTINGS) == []


def test_closest_start_gets_the_bridge() -> None:
    """An end is linked to one start only; a gap link takes no hold away, so the other keeps its own."""
    end, near, far = seen(0, 0.4), seen(500, 0.5), seen(500, 0.75)

    assert gap_links([(end,), (near,), (far,)], 500, SETTINGS) == [(end, near)]


def test_crowd_gets_no_bridges() -> None:
    """If very many tracklets break at once, gap links would cover the whole frame."""
    ends = [(seen(0, index / 100),) for index in range(100)]
    starts = [(seen(500, index / 100 + 0.005),) for index in range(100)]

    assert gap_links([*ends, *starts], 500, SETTINGS) == []


@given(tracklets, st.integers(100, 1000))
def test_bridge_leads_forward_in_time(found: list[tuple[Detection]], interval_ms: int) -> None:
    """From an earlier end to a later start, within the time a tracklet stays open."""
    built = gap_links(found, interval_ms, SETTINGS)

    longest_ms = SETTINGS.open_intervals * interval_ms
    assert all(0 < start.time_ms - end.time_ms <= longest_ms for end, start in built)
