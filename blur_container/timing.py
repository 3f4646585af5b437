"""Time: a frame's milliseconds from its pts, the sampling interval, and spans looked up by moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

MS_PER_S = 1000


@dataclass(frozen=True)
class Clock:
    """Turns the pts of frames into the time of detections: milliseconds from the first frame."""

    first_pts: int
    time_base: Fraction

    def ms(self, pts: int) -> Fraction:
        """Return when the frame with `pts` is shown."""
        return (pts - self.first_pts) * self.time_base * MS_PER_S

    def pts(self, time_ms: float) -> int:
        """Return the last pts not after a moment, whether a frame has it or not."""
        return self.first_pts + math.floor(Fraction(time_ms) / MS_PER_S / self.time_base)


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
