"""A track: the same face through time, and the box that covers it at any moment."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from operator import attrgetter, itemgetter

from blur_container.geometry import across_border, between, hull, padded
from blur_container.settings import TrackSettings
from blur_container.tracking.trajectory import Keyframe
from chalicelib.contract.faces import Box, Detection

# A detection's time is that of its frame, in whole milliseconds.
_SAME_MS = 2.0

_time = attrgetter("time_ms")


class Edge(Enum):
    """Beginning or end of a track: at the border of the frame, at a cut, or at an unknown time."""

    BORDER = "border"
    CUT = "cut"
    OPEN = "open"


@dataclass(frozen=True)
class Track:
    """The same face from `start_ms` to `end_ms`, with one or more keyframes in the order of their times.

    `names` pairs times with the name from then on: the first detection, in the whole video, of the tracklet
    that the detection at that time belongs to. `confidence` is that of the best detection, in percent.
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
        """Return the name at a time: that of the detection before it, or of the first one."""
        after = bisect_right(self.names, time_ms, key=itemgetter(0))
        return self.names[max(after - 1, 0)][1]

    def box_at(self, time_ms: float) -> Box:
        """Return the box that covers the face at a time from `start_ms` to `end_ms`, with its margin.

        It contains all places of the face some time before and after, because motion between keyframes is
        uneven.
        """
        after = bisect_left(self.keyframes, time_ms, key=_time)
        reach_ms = self._reach_ms(time_ms, after)
        begin_ms, end_ms = time_ms - reach_ms, time_ms + reach_ms
        # Between keyframes the face moves on a straight line: ends and corners span the hull.
        first = bisect_right(self.keyframes, begin_ms, key=_time)
        last = bisect_left(self.keyframes, end_ms, key=_time)
        corners = [keyframe.box for keyframe in self.keyframes[first:last]]
        places = [self._position(begin_ms), *corners, self._position(end_ms)]
        # Up to half an interval from a keyframe is where every evenly sampled face is.
        near = self.keyframes[max(after - 1, 0) : after + 1]
        distance_ms = min(abs(time_ms - keyframe.time_ms) for keyframe in near)
        uncertainty = max(0.0, distance_ms / self.interval_ms - 0.5)
        uncertainty += max(keyframe.uncertainty for keyframe in near)
        margin = self.settings.margin + self.settings.hold_growth * uncertainty
        return padded(hull([*places, *self._extrapolated(time_ms)]), margin)

    def _reach_ms(self, time_ms: float, after: int) -> float:
        """Return the time before and after `time_ms` whose places are covered; `after` is the next keyframe.

        Between the frames of two close keyframes it reaches to both, because frames between were skipped.
        """
        near = self.keyframes[max(after - 1, 0) : after + 2]
        widest_ms = max((b.time_ms - a.time_ms for a, b in pairwise(near)), default=math.inf)
        if after in (0, len(self.keyframes)):
            widest_ms = math.inf
        else:
            before_ms, after_ms = self.keyframes[after - 1].time_ms, self.keyframes[after].time_ms
            is_close = after_ms - before_ms <= self.settings.skipped_ms
            if is_close and min(time_ms - before_ms, after_ms - time_ms) > _SAME_MS:
                return widest_ms
        return self.settings.hull_intervals * min(widest_ms, self.interval_ms)

    def _position(self, time_ms: float) -> Box:
        after = bisect_left(self.keyframes, time_ms, key=_time)
        if after == 0:
            return self.keyframes[0].box
        if after == len(self.keyframes):
            return self.keyframes[-1].box
        earlier, later = self.keyframes[after - 1], self.keyframes[after]
        share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
        return between(earlier.box, later.box, share)

    def _extrapolated(self, time_ms: float) -> list[Box]:
        """Return the boxes where the face may be before its first or after its last keyframe.

        A moving face most likely moved on; a face near the border may have come or gone across it.
        """
        if self.keyframes[0].time_ms <= time_ms <= self.keyframes[-1].time_ms:
            return []
        is_early = time_ms < self.keyframes[0].time_ms
        end, others = (
            (self.keyframes[0], self.keyframes[1:])
            if is_early
            else (self.keyframes[-1], self.keyframes[-2::-1])
        )
        # Keyframes of neighbouring frames tremble: a direction needs some distance in time.
        stride_ms = self.settings.stride_intervals * self.interval_ms
        reach = self.settings.border_faces * abs(time_ms - end.time_ms) / self.interval_ms
        return [*_moved_on(end, others, time_ms, stride_ms), *across_border(end.box, reach)]


def _moved_on(end: Keyframe, others: Sequence[Keyframe], time_ms: float, stride_ms: float) -> Iterator[Box]:
    """Yield the box of `end` moved on at its speed, if another keyframe is far enough to measure it.

    The size stays: if it went on growing it would fill the frame or vanish.
    """
    other = next((keyframe for keyframe in others if abs(keyframe.time_ms - end.time_ms) >= stride_ms), None)
    if other is None:
        return
    share = (time_ms - end.time_ms) / (end.time_ms - other.time_ms)
    here, there = end.box, other.box
    shift_x = (here.left + here.width / 2 - there.left - there.width / 2) * share
    shift_y = (here.top + here.height / 2 - there.top - there.height / 2) * share
    yield Box(here.left + shift_x, here.top + shift_y, here.width, here.height)
