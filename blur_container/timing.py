"""Time: conversion between pts and milliseconds from the first frame, and sections of a video."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

MS_PER_S = 1000


@dataclass(frozen=True)
class Clock:
    """Converts pts to the time of detections, milliseconds from the first frame, and back."""

    first_pts: int
    time_base: Fraction

    def ms(self, pts: int) -> Fraction:
        """Return the time of the frame with `pts`."""
        return (pts - self.first_pts) * self.time_base * MS_PER_S

    def pts(self, time_ms: float) -> int:
        """Return the last pts that is not after `time_ms`, whether a frame has it or not."""
        return self.first_pts + math.floor(Fraction(time_ms) / MS_PER_S / self.time_base)


class Section(NamedTuple):
    """A part of a video, in milliseconds from the first frame; half open: without `end_ms`."""

    start_ms: float
    end_ms: float

    def holds(self, time_ms: float) -> bool:
        """Return whether the section contains a time."""
        return self.start_ms <= time_ms < self.end_ms

    def wider(self, by_ms: float) -> Section:
        """Return the section extended by `by_ms` on both sides."""
        return Section(self.start_ms - by_ms, self.end_ms + by_ms)


WHOLE = Section(-math.inf, math.inf)
