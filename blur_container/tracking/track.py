"""A track: the same face through time, and the box that covers it at any moment."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from blur_container.geometry import across_border, between, hull, padded
from blur_container.settings import TrackSettings
from blur_container.tracking.trajectory import Keyframe
from chalicelib.contract.faces import Box, Detection

# A detection's time is that of its frame, in whole milliseconds.
_SAME_MS = 2.0


class Edge(Enum):
    """How a track begins or ends: at the border of the frame, at a cut, or nobody knows how."""

    BORDER = "border"
    CUT = "cut"
    OPEN = "open"


@dataclass(frozen=True)
class Track:
    """The same face through time, from `start_ms` to `end_ms`; one or more knots, later ones last.

    `names` says which detection names it, and from when on: that with which the chain of its detections
    begins in the whole video. `confidence` is that of its best detection, in percent.
    """

    first: Detection
    last: Detection
    confidence: float
    keyframes: tuple[Keyframe, ...]
    start_ms: float
    end_ms: float
    opening: Edge
    closing: Edge
    interval_ms: int
    settings: TrackSettings
    names: tuple[tuple[int, Detection], ...]

    def name_at(self, time_ms: float) -> Detection:
        """Return the name at a moment: that of the detection before it, or of the first one."""
        after = bisect_right(self.names, time_ms, key=_since)
        return self.names[max(after - 1, 0)][1]

    def box_at(self, time_ms: float) -> Box:
        """Return what covers the face at a moment from `start_ms` to `end_ms`, its margin included."""
        after = bisect_left(self.keyframes, time_ms, key=_time)
        reach_ms = self._reach_ms(time_ms, after)
        trajectory = self._trajectory(time_ms - reach_ms, time_ms + reach_ms)
        return padded(hull([*trajectory, *self._carried_on(time_ms)]), self._margin(time_ms, after))

    def _reach_ms(self, time_ms: float, after: int) -> float:
        """Return how long before and after a moment the face may have been where it is covered."""
        near = self.keyframes[max(after - 1, 0) : after + 2]
        widest_ms = max((b.time_ms - a.time_ms for a, b in pairwise(near)), default=math.inf)
        if after in (0, len(self.keyframes)):
            widest_ms = math.inf
        elif self._is_skipped(time_ms, after):
            return widest_ms
        return self.settings.hull_intervals * min(widest_ms, self.interval_ms)

    def _is_skipped(self, time_ms: float, after: int) -> bool:
        """Return whether a moment lies between two pictures that follow each other closely."""
        before_ms, after_ms = self.keyframes[after - 1].time_ms, self.keyframes[after].time_ms
        is_close = after_ms - before_ms <= self.settings.skipped_ms
        return is_close and min(time_ms - before_ms, after_ms - time_ms) > _SAME_MS

    def _trajectory(self, begin_ms: float, end_ms: float) -> list[Box]:
        # Between knots the face moves on a straight line: ends and corners span the hull.
        first = bisect_right(self.keyframes, begin_ms, key=_time)
        last = bisect_left(self.keyframes, end_ms, key=_time)
        corners = [keyframe.box for keyframe in self.keyframes[first:last]]
        return [self._position(begin_ms), *corners, self._position(end_ms)]

    def _position(self, time_ms: float) -> Box:
        after = bisect_left(self.keyframes, time_ms, key=_time)
        if after == 0:
            return self.keyframes[0].box
        if after == len(self.keyframes):
            return self.keyframes[-1].box
        earlier, later = self.keyframes[after - 1], self.keyframes[after]
        share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
        return between(earlier.box, later.box, share)

    def _carried_on(self, time_ms: float) -> list[Box]:
        """Return where the face may be before its first and after its last knot."""
        if self.keyframes[0].time_ms <= time_ms <= self.keyframes[-1].time_ms:
            return []
        is_early = time_ms < self.keyframes[0].time_ms
        end, others = (
            (self.keyframes[0], self.keyframes[1:])
            if is_early
            else (self.keyframes[-1], self.keyframes[-2::-1])
        )
        # A moving face most likely moved on; one near the border may have come or gone across it.
        reach = self.settings.border_faces * abs(time_ms - end.time_ms) / self.interval_ms
        return [*_moved(end, others, time_ms, self._stride_ms), *across_border(end.box, reach)]

    @property
    def _stride_ms(self) -> float:
        # Knots from neighbouring frames tremble: a direction needs some way.
        return self.settings.stride_intervals * self.interval_ms

    def _margin(self, time_ms: float, after: int) -> float:
        # Up to half an interval from a knot is where every evenly sampled face is.
        near = self.keyframes[max(after - 1, 0) : after + 1]
        distance_ms = min(abs(time_ms - keyframe.time_ms) for keyframe in near)
        flag = max(0.0, distance_ms / self.interval_ms - 0.5) + max(keyframe.flag for keyframe in near)
        return self.settings.margin + self.settings.hold_growth * flag


def _time(keyframe: Keyframe) -> float:
    return keyframe.time_ms


def _since(name: tuple[int, Detection]) -> int:
    return name[0]


def _moved(end: Keyframe, others: Sequence[Keyframe], time_ms: float, stride_ms: float) -> Iterator[Box]:
    # The centre goes on at its speed; a size that went on growing would swallow the frame or vanish.
    other = next((keyframe for keyframe in others if abs(keyframe.time_ms - end.time_ms) >= stride_ms), None)
    if other is None:
        return
    share = (time_ms - end.time_ms) / (end.time_ms - other.time_ms)
    here, there = end.box, other.box
    shift_x = (here.left + here.width / 2 - there.left - there.width / 2) * share
    shift_y = (here.top + here.height / 2 - there.top - there.height / 2) * share
    yield Box(here.left + shift_x, here.top + shift_y, here.width, here.height)
