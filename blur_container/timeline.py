"""Time: a frame's milliseconds from its pts, the sampling interval, and spans looked up by moment."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from blur_container.settings import TrackSettings

_MS_PER_S = 1000


@dataclass(frozen=True)
class Clock:
    """Turns the pts of frames into the time of detections: milliseconds from the first frame."""

    first_pts: int
    time_base: Fraction

    def ms(self, pts: int) -> Fraction:
        """Return when the frame with `pts` is shown."""
        return (pts - self.first_pts) * self.time_base * _MS_PER_S

    def pts(self, time_ms: float) -> int:
        """Return the last pts not after a moment, whether a frame has it or not."""
        return self.first_pts + math.floor(Fraction(time_ms) / _MS_PER_S / self.time_base)


class Section(NamedTuple):
    """A part of a video in milliseconds from the first frame: `start_ms` is in it, `end_ms` is not."""

    start_ms: float
    end_ms: float

    def holds(self, time_ms: float) -> bool:
        """Return whether a moment lies in it."""
        return self.start_ms <= time_ms < self.end_ms

    def wider(self, by_ms: float) -> Section:
        """Return the section with `by_ms` more on both sides."""
        return Section(self.start_ms - by_ms, self.end_ms + by_ms)


WHOLE = Section(-math.inf, math.inf)


def sampling_interval_ms(times_ms: Iterable[int], settings: TrackSettings) -> int:
    """Return how often the detector looked: the median gap of the distinct times, within sane bounds.

    Few gaps prove nothing: the last frame of a video is looked at early, and its short gap would leave the
    start of the face bare. Then the longest gap counts, or the default where that is longer.
    """
    moments = sorted(set(times_ms))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    if len(gaps) < settings.gaps_to_trust:
        gap = max(gaps, default=0)
        return min(max(gap, settings.default_interval_ms), settings.longest_interval_ms)
    # The lower median: a face that comes and goes makes long gaps, and an interval too long joins two faces.
    gap = statistics.median_low(gaps)
    return min(max(gap, settings.shortest_interval_ms), settings.longest_interval_ms)


class Span(Protocol):
    """What lasts from one moment to another, both included, in milliseconds."""

    @property
    def start_ms(self) -> float:
        """Return the first moment."""

    @property
    def end_ms(self) -> float:
        """Return the last moment."""


SpanT = TypeVar("SpanT", bound=Span)


class SpanIndex(Generic[SpanT]):
    """Finds the spans at a moment by looking only at those that touch its bucket."""

    def __init__(self, spans: Sequence[SpanT], bucket_ms: int) -> None:
        self._bucket_ms = bucket_ms
        self._buckets: defaultdict[int, list[SpanT]] = defaultdict(list)
        for span in spans:
            for bucket in range(self._bucket(span.start_ms), self._bucket(span.end_ms) + 1):
                self._buckets[bucket].append(span)

    def at(self, time_ms: float) -> list[SpanT]:
        """Return the spans that last at `time_ms`, in the order they were given."""
        near = self._buckets.get(self._bucket(time_ms), [])
        return [span for span in near if span.start_ms <= time_ms <= span.end_ms]

    def _bucket(self, time_ms: float) -> int:
        return int(time_ms // self._bucket_ms)
