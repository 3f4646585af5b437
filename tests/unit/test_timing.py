"""Time: milliseconds of frames, the sampling interval, spans by moment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.timing import Clock
from blur_container.tracking.tracklets import sampling_interval_ms
from blur_container.tracking.tracks import SpanIndex

SETTINGS = TrackSettings()


@dataclass(frozen=True)
class Lasting:
    """A span."""

    start_ms: float
    end_ms: float


spans = st.lists(
    st.builds(
        lambda start, length: Lasting(start, start + length), st.integers(-5000, 5000), st.integers(0, 3000)
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    ("clock", "pts", "ms"),
    [
        pytest.param(Clock(0, Fraction(1, 1000)), 0, Fraction(0), id="first frame"),
        pytest.param(Clock(0, Fraction(1001, 30000)), 3, Fraction(1001, 10), id="29.97"),
        pytest.param(Clock(9000, Fraction(1, 90000)), 18000, Fraction(100), id="late start"),
        pytest.param(Clock(-512, Fraction(1, 512)), 0, Fraction(1000), id="negative start"),
    ],
)
def test_time_counts_exactly_from_the_first_frame(clock: Clock, pts: int, ms: Fraction) -> None:
    """Detections count from the first frame, wherever its pts lies."""
    assert clock.ms(pts) == ms


@pytest.mark.parametrize(
    ("times_ms", "interval_ms"),
    [
        pytest.param([], 500, id="none"),
        pytest.param([300], 500, id="one"),
        pytest.param([300, 300, 300], 500, id="one moment"),
        pytest.param([0, 200, 400, 600], 200, id="5 a second"),
        pytest.param([466, 966, 1466, 1966], 500, id="2 a second, end of interval"),
        pytest.param([0, 500, 1000, 1500, 2000, 9000], 500, id="a face comes back"),
        pytest.param([0, 33, 67, 100], 100, id="every frame"),
        pytest.param([480, 560], 500, id="a short clip whose last frame was looked at too"),
        pytest.param([480, 980, 1060], 500, id="two intervals and the last frame"),
        pytest.param([500, 1500, 2500], 1000, id="few but wide"),
        pytest.param([0, 30_000], 1000, id="rare"),
        pytest.param([400, 0, 200, 200, 600], 200, id="any order"),
    ],
)
def test_sampling_interval_is_the_usual_gap(times_ms: list[int], interval_ms: int) -> None:
    """Nobody documents how often the detector looks; its times tell."""
    assert sampling_interval_ms(times_ms, SETTINGS) == interval_ms


def test_no_span_lasts_at_any_moment_of_an_empty_index() -> None:
    """An empty index returns no span at any time."""
    assert SpanIndex[Lasting]([], 500).at(0) == []


@given(spans, st.integers(-6000, 9000), st.integers(1, 2000))
def test_index_finds_what_a_search_finds(given_spans: list[Lasting], time_ms: int, bucket_ms: int) -> None:
    """Buckets are for speed: they change nothing."""
    found = SpanIndex(given_spans, bucket_ms).at(time_ms)

    assert found == [span for span in given_spans if span.start_ms <= time_ms <= span.end_ms]
