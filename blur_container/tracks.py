"""Tracks: sparse detections joined through time, and the boxes that cover them at any moment."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from blur_container.geometry import across_border, between, hull, padded
from blur_container.joining import join
from blur_container.layout import Layout
from blur_container.settings import TrackSettings
from blur_container.sightings import NOTHING_SEEN, Sightings
from blur_container.timeline import SpanIndex
from blur_container.ways import UNSEEN, Knot, Way, way_between, way_out
from chalicelib.contract.faces import Box, Detection

# A detection's time is that of its frame, in whole milliseconds.
_SAME_MS = 2.0


class Edge(Enum):
    """How a track begins or ends: at the border of the frame, at a cut, or nobody knows how."""

    BORDER = "border"
    CUT = "cut"
    OPEN = "open"


class Gap(NamedTuple):
    """Two neighbouring detections that nothing but their places says are one face, or are not: a cut."""

    earlier: Detection
    later: Detection
    is_cut: bool


@dataclass(frozen=True)
class Track:
    """The same face through time, from `start_ms` to `end_ms`; one or more knots, later ones last.

    `first` is its first detection, which names it; `confidence` is that of its best one, in percent.
    """

    first: Detection
    last: Detection
    confidence: float
    knots: tuple[Knot, ...]
    start_ms: float
    end_ms: float
    opening: Edge
    closing: Edge
    interval_ms: int
    settings: TrackSettings

    def box_at(self, time_ms: float) -> Box:
        """Return what covers the face at a moment from `start_ms` to `end_ms`, its margin included."""
        after = bisect_left(self.knots, time_ms, key=_time)
        reach_ms = self._reach_ms(time_ms, after)
        path = self._path(time_ms - reach_ms, time_ms + reach_ms)
        return padded(hull([*path, *self._carried_on(time_ms)]), self._margin(time_ms, after))

    def _reach_ms(self, time_ms: float, after: int) -> float:
        """Return how long before and after a moment the face may have been where it is covered."""
        near = self.knots[max(after - 1, 0) : after + 2]
        widest_ms = max((b.time_ms - a.time_ms for a, b in pairwise(near)), default=math.inf)
        if after in (0, len(self.knots)):
            widest_ms = math.inf
        elif self._is_skipped(time_ms, after):
            return widest_ms
        return self.settings.hull_intervals * min(widest_ms, self.interval_ms)

    def _is_skipped(self, time_ms: float, after: int) -> bool:
        """Return whether a moment lies between two pictures that follow each other closely."""
        before_ms, after_ms = self.knots[after - 1].time_ms, self.knots[after].time_ms
        is_close = after_ms - before_ms <= self.settings.skipped_ms
        return is_close and min(time_ms - before_ms, after_ms - time_ms) > _SAME_MS

    def _path(self, begin_ms: float, end_ms: float) -> list[Box]:
        # Between knots the face moves on a straight line: ends and corners span the hull.
        first = bisect_right(self.knots, begin_ms, key=_time)
        last = bisect_left(self.knots, end_ms, key=_time)
        corners = [knot.box for knot in self.knots[first:last]]
        return [self._position(begin_ms), *corners, self._position(end_ms)]

    def _position(self, time_ms: float) -> Box:
        after = bisect_left(self.knots, time_ms, key=_time)
        if after == 0:
            return self.knots[0].box
        if after == len(self.knots):
            return self.knots[-1].box
        earlier, later = self.knots[after - 1], self.knots[after]
        share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
        return between(earlier.box, later.box, share)

    def _carried_on(self, time_ms: float) -> list[Box]:
        """Return where the face may be before its first and after its last knot."""
        if self.knots[0].time_ms <= time_ms <= self.knots[-1].time_ms:
            return []
        is_early = time_ms < self.knots[0].time_ms
        end, others = (self.knots[0], self.knots[1:]) if is_early else (self.knots[-1], self.knots[-2::-1])
        # A moving face most likely moved on; one near the border may have come or gone across it.
        reach = self.settings.border_faces * abs(time_ms - end.time_ms) / self.interval_ms
        return [*_moved(end, others, time_ms, self._stride_ms), *across_border(end.box, reach)]

    @property
    def _stride_ms(self) -> float:
        # Knots from neighbouring frames tremble: a direction needs some way.
        return self.settings.stride_intervals * self.interval_ms

    def _margin(self, time_ms: float, after: int) -> float:
        # Up to half an interval from a knot is where every evenly sampled face is.
        near = self.knots[max(after - 1, 0) : after + 1]
        distance_ms = min(abs(time_ms - knot.time_ms) for knot in near)
        doubt = max(0.0, distance_ms / self.interval_ms - 0.5) + max(knot.doubt for knot in near)
        return self.settings.margin + self.settings.hold_growth * doubt


class Tracks:
    """All tracks of one video; finding the boxes of a frame costs only the tracks that last at its time."""

    def __init__(self, layouts: Sequence[Layout], seen: Sightings = NOTHING_SEEN) -> None:
        """Unite the tracks of one or more layouts; the first tells `interval_ms`."""
        self.interval_ms = layouts[0].interval_ms
        self.of_faces: list[Track] = []
        self._bridges: list[Track] = []
        self.gaps: list[Gap] = []
        for layout in layouts:
            self._build(layout, seen)
        self._index = SpanIndex([*self.of_faces, *self._bridges], self.interval_ms)

    def _build(self, layout: Layout, seen: Sightings) -> None:
        joined = join(layout, seen)
        builder = _Builder(layout, seen)
        self.of_faces.extend(track for chain in joined.chains for track in builder.tracks(chain))
        self._bridges.extend(track for pair in joined.bridges for track in builder.bridge(*pair))
        self.gaps.extend(gap for chain in joined.chains for gap in builder.gaps(chain))
        self.gaps.extend(Gap(*pair, is_cut=False) for pair in joined.bridges)

    @property
    def count(self) -> int:
        """Return how many tracks of faces there are, bridges between them not counted."""
        return len(self.of_faces)

    @classmethod
    def of(cls, detections: Iterable[Detection], settings: TrackSettings) -> Tracks:
        """Return the tracks of `detections` alone, no picture looked at."""
        return cls([Layout.of(detections, settings)])

    def boxes_at(self, time_ms: float) -> list[Box]:
        """Return what covers the faces at `time_ms`; boxes may reach outside the frame."""
        return [track.box_at(time_ms) for track in self._index.at(time_ms)]

    def at(self, time_ms: float) -> list[Track]:
        """Return the tracks that last at `time_ms`."""
        return self._index.at(time_ms)


@dataclass(frozen=True)
class _Builder:
    """Makes tracks from chains, and from what was seen between and beyond their detections."""

    layout: Layout
    seen: Sightings

    def tracks(self, chain: Sequence[Detection]) -> Iterator[Track]:
        """Yield the tracks of a chain: one, or more where a cut parts it."""
        part, knots = [chain[0]], [_knot(chain[0])]
        for earlier, later in pairwise(chain):
            way = self._way(earlier, later)
            if self._is_parted(earlier, later, way):
                yield self._track(part, knots)
                part, knots = [], []
            part.append(later)
            knots += [*way.knots, _knot(later)] if knots else [_knot(later)]
        yield self._track(part, knots)

    def bridge(self, earlier: Detection, later: Detection) -> Iterator[Track]:
        """Yield the track from the end of one chain to the start of another, unless a cut parts them."""
        way = self._way(earlier, later)
        if not self._is_parted(earlier, later, way):
            yield self._track([earlier, later], [_knot(earlier), *way.knots, _knot(later)])

    def gaps(self, chain: Sequence[Detection]) -> Iterator[Gap]:
        """Yield the pairs of a chain that no path joins; where none was looked for, those far apart."""
        longest_ms = self.layout.settings.bridge_intervals * self.layout.interval_ms
        for earlier, later in pairwise(chain):
            way = self._way(earlier, later)
            is_long = later.time_ms - earlier.time_ms > longest_ms
            if not way.certain and (is_long or not self.seen.is_empty):
                yield Gap(earlier, later, self._is_parted(earlier, later, way))

    def _way(self, earlier: Detection, later: Detection) -> Way:
        if self.seen.is_empty:
            return UNSEEN
        return way_between(earlier, later, *self.seen.between(earlier, later), self.layout.settings)

    def _is_parted(self, earlier: Detection, later: Detection, way: Way) -> bool:
        return not way.certain and self.seen.cut_between(earlier.time_ms, later.time_ms)

    def _track(self, part: Sequence[Detection], between_both: Sequence[Knot]) -> Track:
        first, last = part[0], part[-1]
        before, after = self._out(first, backward=True), self._out(last, backward=False)
        knots = (*reversed(before.knots), *between_both, *after.knots)
        hold_ms = self.layout.settings.hold_intervals * self.layout.interval_ms
        # Who was seen to leave the frame is not held.
        start_ms = knots[0].time_ms if before.certain else min(first.time_ms - hold_ms, knots[0].time_ms)
        end_ms = knots[-1].time_ms if after.certain else max(last.time_ms + hold_ms, knots[-1].time_ms)
        after_ms, before_ms = self.seen.shot(first.time_ms, last.time_ms)
        return Track(
            first=first,
            last=last,
            confidence=max(detection.confidence for detection in part),
            knots=knots,
            start_ms=max(start_ms, math.nextafter(after_ms, math.inf)),
            end_ms=min(end_ms, math.nextafter(before_ms, -math.inf)),
            opening=_edge(is_certain=before.certain, is_cut=start_ms <= after_ms),
            closing=_edge(is_certain=after.certain, is_cut=end_ms >= before_ms),
            interval_ms=self.layout.interval_ms,
            settings=self.layout.settings,
        )

    def _out(self, end: Detection, *, backward: bool) -> Way:
        path = self.seen.out(end, backward=backward)
        return way_out(end, path, self.layout.interval_ms, self.layout.settings)


def _edge(*, is_certain: bool, is_cut: bool) -> Edge:
    if is_cut:
        return Edge.CUT
    return Edge.BORDER if is_certain else Edge.OPEN


def _knot(detection: Detection) -> Knot:
    return Knot(detection.time_ms, detection.box)


def _time(knot: Knot) -> float:
    return knot.time_ms


def _moved(end: Knot, others: Sequence[Knot], time_ms: float, stride_ms: float) -> Iterator[Box]:
    # The centre goes on at its speed; a size that went on growing would swallow the frame or vanish.
    other = next((knot for knot in others if abs(knot.time_ms - end.time_ms) >= stride_ms), None)
    if other is None:
        return
    share = (time_ms - end.time_ms) / (end.time_ms - other.time_ms)
    here, there = end.box, other.box
    shift_x = (here.left + here.width / 2 - there.left - there.width / 2) * share
    shift_y = (here.top + here.height / 2 - there.top - there.height / 2) * share
    yield Box(here.left + shift_x, here.top + shift_y, here.width, here.height)
