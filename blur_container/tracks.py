"""Tracks: sparse detections joined through time, and the boxes that cover them at any moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from blur_container.association import associate
from blur_container.bridges import bridges
from blur_container.geometry import hull, padded
from blur_container.settings import TrackSettings
from blur_container.timeline import SpanIndex, sampling_interval_ms
from chalicelib.contract.faces import Box, Detection


@dataclass(frozen=True)
class Track:
    """The same face through time: one or more detections, later ones last."""

    detections: tuple[Detection, ...]
    interval_ms: int
    settings: TrackSettings

    @property
    def start_ms(self) -> float:
        """Return the first moment that is covered."""
        return self.detections[0].time_ms - self._hold_ms

    @property
    def end_ms(self) -> float:
        """Return the last moment that is covered."""
        return self.detections[-1].time_ms + self._hold_ms

    def box_at(self, time_ms: float) -> Box:
        """Return what covers the face at a moment from `start_ms` to `end_ms`, its margin included."""
        reach_ms = self.settings.hull_intervals * self.interval_ms
        path = self._path(time_ms - reach_ms, time_ms + reach_ms)
        return padded(hull([*path, *self._carried_on(time_ms)]), self._margin(time_ms))

    @property
    def _hold_ms(self) -> float:
        return self.settings.hold_intervals * self.interval_ms

    def _path(self, begin_ms: float, end_ms: float) -> list[Box]:
        # Between detections the face moves on a straight line: ends and corners span the hull.
        first = bisect_right(self.detections, begin_ms, key=_time)
        last = bisect_left(self.detections, end_ms, key=_time)
        corners = [detection.box for detection in self.detections[first:last]]
        return [self._position(begin_ms), *corners, self._position(end_ms)]

    def _position(self, time_ms: float) -> Box:
        after = bisect_left(self.detections, time_ms, key=_time)
        if after == 0:
            return self.detections[0].box
        if after == len(self.detections):
            return self.detections[-1].box
        earlier, later = self.detections[after - 1], self.detections[after]
        return _between(earlier, later, (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms))

    def _carried_on(self, time_ms: float) -> list[Box]:
        # Before the first and after the last detection a moving face most likely moved on.
        if len(self.detections) < 2:  # noqa: PLR2004 a direction needs two detections
            return []
        first, second = self.detections[:2]
        if time_ms < first.time_ms:
            return [_moved(first, second, time_ms)]
        if time_ms > self.detections[-1].time_ms:
            return [_moved(self.detections[-1], self.detections[-2], time_ms)]
        return []

    def _margin(self, time_ms: float) -> float:
        # Up to half an interval from a detection is where every evenly sampled face is.
        after = bisect_left(self.detections, time_ms, key=_time)
        neighbours = self.detections[max(after - 1, 0) : after + 1]
        distance_ms = min(abs(time_ms - detection.time_ms) for detection in neighbours)
        doubt = max(0.0, distance_ms / self.interval_ms - 0.5)
        return self.settings.margin + self.settings.hold_growth * doubt


class Tracks:
    """All tracks of one video; finding the boxes of a frame costs only the tracks that last at its time."""

    def __init__(self, detections: Iterable[Detection], settings: TrackSettings) -> None:
        every = list(detections)
        self.interval_ms = sampling_interval_ms((detection.time_ms for detection in every), settings)
        chains = associate(every, self.interval_ms, settings)
        spans = [Track(chain, self.interval_ms, settings) for chain in chains]
        self.count = len(spans)
        between = [
            Track(pair, self.interval_ms, settings) for pair in bridges(chains, self.interval_ms, settings)
        ]
        self._index = SpanIndex([*spans, *between], self.interval_ms)

    def boxes_at(self, time_ms: float) -> list[Box]:
        """Return what covers the faces at `time_ms`; boxes may reach outside the frame."""
        return [track.box_at(time_ms) for track in self._index.at(time_ms)]

    def at(self, time_ms: float) -> list[Track]:
        """Return the tracks that last at `time_ms`."""
        return self._index.at(time_ms)


def _time(detection: Detection) -> int:
    return detection.time_ms


def _between(earlier: Detection, later: Detection, share: float) -> Box:
    start, end = earlier.box, later.box
    return Box(
        start.left + (end.left - start.left) * share,
        start.top + (end.top - start.top) * share,
        start.width + (end.width - start.width) * share,
        start.height + (end.height - start.height) * share,
    )


def _moved(end: Detection, neighbour: Detection, time_ms: float) -> Box:
    # The centre goes on at its speed; a size that went on growing would swallow the frame or vanish.
    share = (time_ms - end.time_ms) / (end.time_ms - neighbour.time_ms)
    here, there = end.box, neighbour.box
    shift_x = (here.left + here.width / 2 - there.left - there.width / 2) * share
    shift_y = (here.top + here.height / 2 - there.top - there.height / 2) * share
    return Box(here.left + shift_x, here.top + shift_y, here.width, here.height)
