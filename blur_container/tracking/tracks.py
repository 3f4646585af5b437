"""Tracks: sparse detections joined through time, and the boxes that cover them at any moment."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from blur_container.settings import TrackSettings
from blur_container.timing import Section
from blur_container.tracking.gap_links import GapLink
from blur_container.tracking.interpolation import (
    UNSEEN,
    Interpolation,
    doubtful_interpolation,
    interpolation_between,
    interpolation_to_border,
)
from blur_container.tracking.linking import link_tracklets
from blur_container.tracking.observations import NOTHING_SEEN, Glitch, Observations
from blur_container.tracking.track import Edge, Track
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.trajectory import Keyframe
from chalicelib.contract.faces import Box, Detection


class Span(Protocol):
    """What lasts from one moment to another, both included, in milliseconds."""

    @property
    def start_ms(self) -> float:
        """Return the first moment."""

    @property
    def end_ms(self) -> float:
        """Return the last moment."""


SpanT = TypeVar("SpanT", bound=Span)


class Gap(NamedTuple):
    """Two neighbouring detections that nothing but their places says are one face, or are not: a cut."""

    earlier: Detection
    later: Detection
    is_cut: bool


class Hidden(NamedTuple):
    """A face behind a glitch, and what covers it there beside its own track."""

    glitch: Glitch
    track: Track


class Tracks:
    """All tracks of one video; finding the boxes of a frame costs only the tracks that last at its time."""

    def __init__(self, layouts: Sequence[TrackletGraph], seen: Observations = NOTHING_SEEN) -> None:
        """Unite the tracks of one or more layouts; the first tells `interval_ms`."""
        self.interval_ms = layouts[0].interval_ms
        self.of_faces: list[Track] = []
        self._bridges: list[Track] = []
        self.gaps: list[Gap] = []
        self.hidden: list[Hidden] = []
        for layout in layouts:
            self._build(layout, seen)
        behind = (hidden.track for hidden in self.hidden)
        self._index = SpanIndex([*self.of_faces, *self._bridges, *behind], self.interval_ms)

    def _build(self, layout: TrackletGraph, seen: Observations) -> None:
        joined = link_tracklets(layout, seen)
        builder = _Builder(layout, seen, _names(layout))
        self.of_faces.extend(track for chain in joined.chains for track in builder.tracks(chain))
        self._bridges.extend(track for pair in joined.bridges for track in builder.bridge(*pair))
        self.gaps.extend(gap for chain in joined.chains for gap in builder.gaps(chain))
        self.gaps.extend(Gap(*pair, is_cut=False) for pair in joined.bridges)
        self.hidden.extend(hidden for chain in joined.chains for hidden in builder.hidden(chain))

    @property
    def count(self) -> int:
        """Return how many tracks of faces there are, bridges between them not counted."""
        return len(self.of_faces)

    def begun_in(self, section: Section) -> int:
        """Return how many tracks of faces have their first detection in a section."""
        return sum(section.holds(track.first.time_ms) for track in self.of_faces)

    @classmethod
    def of(cls, detections: Iterable[Detection], settings: TrackSettings) -> Tracks:
        """Return the tracks of `detections` alone, no picture looked at."""
        return cls([TrackletGraph.of(detections, settings)])

    def boxes_at(self, time_ms: float) -> list[Box]:
        """Return what covers the faces at `time_ms`; boxes may reach outside the frame."""
        return [track.box_at(time_ms) for track in self._index.at(time_ms)]

    def at(self, time_ms: float) -> list[Track]:
        """Return the tracks that last at `time_ms`."""
        return self._index.at(time_ms)


@dataclass(frozen=True)
class _Builder:
    """Makes tracks from chains, and from what was seen between and beyond their detections."""

    layout: TrackletGraph
    seen: Observations
    names: dict[Detection, Detection]
    # Tracks and gaps ask for the same ways.
    ways: dict[GapLink, Interpolation] = field(default_factory=dict)

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

    def hidden(self, chain: Sequence[Detection]) -> Iterator[Hidden]:
        """Yield what covers a face across glitches: where it is followed in them may be wrong."""
        yield from self._hidden_beyond(chain[0], backward=True)
        for earlier, later in pairwise(chain):
            if self._is_parted(earlier, later, self._way(earlier, later)):
                yield from self._hidden_beyond(earlier, backward=False)
                yield from self._hidden_beyond(later, backward=True)
            else:
                yield from self._hidden_between(earlier, later)
        yield from self._hidden_beyond(chain[-1], backward=False)

    def _hidden_between(self, earlier: Detection, later: Detection) -> Iterator[Hidden]:
        for glitch in self.seen.glitches_between(earlier.time_ms, later.time_ms):
            between = doubtful_interpolation(
                earlier, later, *self.seen.between(earlier, later), self.layout.settings
            )
            knots = _knot(earlier), *between.knots, _knot(later)
            span = max(earlier.time_ms, glitch.before_ms), min(later.time_ms, glitch.after_ms)
            yield Hidden(glitch, self._cover((earlier, later), knots, Section(*span)))

    def _hidden_beyond(self, end: Detection, *, backward: bool) -> Iterator[Hidden]:
        """Yield what holds a face through each glitch near its end, and as long behind it."""
        hold_ms = self.layout.settings.hold_intervals * self.layout.interval_ms
        path = self.seen.out(end, backward=backward)
        times_ms = [end.time_ms, end.time_ms - hold_ms if backward else end.time_ms + hold_ms]
        times_ms += [fix.time_ms for fix in path.fixes]
        met = self.seen.glitches_between(min(times_ms), max(times_ms))
        for glitch in met:
            sound = path.until(max(one.after_ms for one in met) if backward else met[0].before_ms)
            knots = [_knot(end), *(Keyframe(*fix) for fix in sound.fixes)]
            if backward:
                held = Section(glitch.before_ms - hold_ms, glitch.after_ms)
            else:
                held = Section(glitch.before_ms, glitch.after_ms + hold_ms)
            yield Hidden(glitch, self._cover((end,), knots[::-1] if backward else knots, held))

    def _cover(self, part: Sequence[Detection], knots: Sequence[Keyframe], span: Section) -> Track:
        """Return a track in one shot of its own detections, wider than those that pictures tell of."""
        after_ms, before_ms = self.seen.shot(part[0].time_ms, part[-1].time_ms)
        return Track(
            first=part[0],
            last=part[-1],
            confidence=max(detection.confidence for detection in part),
            knots=tuple(knot._replace(doubt=knot.doubt + 1) for knot in knots),
            start_ms=max(span.start_ms, math.nextafter(after_ms, math.inf)),
            end_ms=min(span.end_ms, math.nextafter(before_ms, -math.inf)),
            opening=Edge.OPEN,
            closing=Edge.OPEN,
            interval_ms=self.layout.interval_ms,
            settings=self.layout.settings,
            names=tuple((face.time_ms, self.names[face]) for face in part),
        )

    def _way(self, earlier: Detection, later: Detection) -> Interpolation:
        if self.seen.is_empty:
            return UNSEEN
        if (earlier, later) not in self.ways:
            paths = self.seen.between(earlier, later)
            self.ways[earlier, later] = interpolation_between(earlier, later, *paths, self.layout.settings)
        return self.ways[earlier, later]

    def _is_parted(self, earlier: Detection, later: Detection, way: Interpolation) -> bool:
        return not way.certain and self.seen.cut_between(earlier.time_ms, later.time_ms)

    def _track(self, part: Sequence[Detection], between_both: Sequence[Keyframe]) -> Track:
        first, last = part[0], part[-1]
        before, after = self._out(first, backward=True), self._out(last, backward=False)
        knots = (*reversed(before.knots), *between_both, *after.knots)
        hold_ms = self.layout.settings.hold_intervals * self.layout.interval_ms
        # Who was seen to leave the frame is not held.
        start_ms = knots[0].time_ms if before.certain else min(first.time_ms - hold_ms, knots[0].time_ms)
        end_ms = knots[-1].time_ms if after.certain else max(last.time_ms + hold_ms, knots[-1].time_ms)
        after_ms, before_ms = self.seen.shot(knots[0].time_ms, knots[-1].time_ms)
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
            names=tuple((face.time_ms, self.names[face]) for face in part),
        )

    def _out(self, end: Detection, *, backward: bool) -> Interpolation:
        path = self.seen.out(end, backward=backward)
        return interpolation_to_border(end, path, self.layout.interval_ms, self.layout.settings)


def _names(layout: TrackletGraph) -> dict[Detection, Detection]:
    """Return the name of each detection."""
    return {face: name for chain, name in zip(layout.chains, layout.names, strict=True) for face in chain}


def _edge(*, is_certain: bool, is_cut: bool) -> Edge:
    if is_cut:
        return Edge.CUT
    return Edge.BORDER if is_certain else Edge.OPEN


def _knot(detection: Detection) -> Keyframe:
    return Keyframe(detection.time_ms, detection.box)


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
