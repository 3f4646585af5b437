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
        self._gap_links: list[Track] = []
        self.gaps: list[Gap] = []
        self.hidden: list[Hidden] = []
        for graph in layouts:
            self._build(graph, seen)
        behind = (hidden.track for hidden in self.hidden)
        self._index = SpanIndex([*self.of_faces, *self._gap_links, *behind], self.interval_ms)

    def _build(self, graph: TrackletGraph, seen: Observations) -> None:
        joined = link_tracklets(graph, seen)
        builder = _Builder(graph, seen, _names(graph))
        self.of_faces.extend(track for tracklet in joined.tracklets for track in builder.tracks(tracklet))
        self._gap_links.extend(track for pair in joined.gap_links for track in builder.gap_link(*pair))
        self.gaps.extend(gap for tracklet in joined.tracklets for gap in builder.gaps(tracklet))
        self.gaps.extend(Gap(*pair, is_cut=False) for pair in joined.gap_links)
        self.hidden.extend(hidden for tracklet in joined.tracklets for hidden in builder.hidden(tracklet))

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

    graph: TrackletGraph
    seen: Observations
    names: dict[Detection, Detection]
    # Tracks and gaps ask for the same ways.
    interpolations: dict[GapLink, Interpolation] = field(default_factory=dict)

    def tracks(self, tracklet: Sequence[Detection]) -> Iterator[Track]:
        """Yield the tracks of a chain: one, or more where a cut parts it."""
        part, keyframes = [tracklet[0]], [_keyframe(tracklet[0])]
        for earlier, later in pairwise(tracklet):
            interpolation = self._interpolation(earlier, later)
            if self._is_parted(earlier, later, interpolation):
                yield self._track(part, keyframes)
                part, keyframes = [], []
            part.append(later)
            keyframes += [*interpolation.keyframes, _keyframe(later)] if keyframes else [_keyframe(later)]
        yield self._track(part, keyframes)

    def gap_link(self, earlier: Detection, later: Detection) -> Iterator[Track]:
        """Yield the track from the end of one chain to the start of another, unless a cut parts them."""
        interpolation = self._interpolation(earlier, later)
        if not self._is_parted(earlier, later, interpolation):
            yield self._track(
                [earlier, later], [_keyframe(earlier), *interpolation.keyframes, _keyframe(later)]
            )

    def gaps(self, tracklet: Sequence[Detection]) -> Iterator[Gap]:
        """Yield the pairs of a chain that no path joins; where none was looked for, those far apart."""
        longest_ms = self.graph.settings.bridge_intervals * self.graph.interval_ms
        for earlier, later in pairwise(tracklet):
            interpolation = self._interpolation(earlier, later)
            is_long = later.time_ms - earlier.time_ms > longest_ms
            if not interpolation.certain and (is_long or not self.seen.is_empty):
                yield Gap(earlier, later, self._is_parted(earlier, later, interpolation))

    def hidden(self, tracklet: Sequence[Detection]) -> Iterator[Hidden]:
        """Yield what covers a face across glitches: where it is followed in them may be wrong."""
        yield from self._hidden_beyond(tracklet[0], backward=True)
        for earlier, later in pairwise(tracklet):
            if self._is_parted(earlier, later, self._interpolation(earlier, later)):
                yield from self._hidden_beyond(earlier, backward=False)
                yield from self._hidden_beyond(later, backward=True)
            else:
                yield from self._hidden_between(earlier, later)
        yield from self._hidden_beyond(tracklet[-1], backward=False)

    def _hidden_between(self, earlier: Detection, later: Detection) -> Iterator[Hidden]:
        for glitch in self.seen.glitches_between(earlier.time_ms, later.time_ms):
            between = doubtful_interpolation(
                earlier, later, *self.seen.between(earlier, later), self.graph.settings
            )
            keyframes = _keyframe(earlier), *between.keyframes, _keyframe(later)
            span = max(earlier.time_ms, glitch.before_ms), min(later.time_ms, glitch.after_ms)
            yield Hidden(glitch, self._cover((earlier, later), keyframes, Section(*span)))

    def _hidden_beyond(self, end: Detection, *, backward: bool) -> Iterator[Hidden]:
        """Yield what holds a face through each glitch near its end, and as long behind it."""
        hold_ms = self.graph.settings.hold_intervals * self.graph.interval_ms
        trajectory = self.seen.out(end, backward=backward)
        times_ms = [end.time_ms, end.time_ms - hold_ms if backward else end.time_ms + hold_ms]
        times_ms += [tracked.time_ms for tracked in trajectory.tracked_boxes]
        met = self.seen.glitches_between(min(times_ms), max(times_ms))
        for glitch in met:
            sound = trajectory.until(max(one.after_ms for one in met) if backward else met[0].before_ms)
            keyframes = [_keyframe(end), *(Keyframe(*tracked) for tracked in sound.tracked_boxes)]
            if backward:
                held = Section(glitch.before_ms - hold_ms, glitch.after_ms)
            else:
                held = Section(glitch.before_ms, glitch.after_ms + hold_ms)
            yield Hidden(glitch, self._cover((end,), keyframes[::-1] if backward else keyframes, held))

    def _cover(self, part: Sequence[Detection], keyframes: Sequence[Keyframe], span: Section) -> Track:
        """Return a track in one shot of its own detections, wider than those that pictures tell of."""
        after_ms, before_ms = self.seen.shot(part[0].time_ms, part[-1].time_ms)
        return Track(
            first=part[0],
            last=part[-1],
            confidence=max(detection.confidence for detection in part),
            keyframes=tuple(keyframe._replace(flag=keyframe.flag + 1) for keyframe in keyframes),
            start_ms=max(span.start_ms, math.nextafter(after_ms, math.inf)),
            end_ms=min(span.end_ms, math.nextafter(before_ms, -math.inf)),
            opening=Edge.OPEN,
            closing=Edge.OPEN,
            interval_ms=self.graph.interval_ms,
            settings=self.graph.settings,
            names=tuple((face.time_ms, self.names[face]) for face in part),
        )

    def _interpolation(self, earlier: Detection, later: Detection) -> Interpolation:
        if self.seen.is_empty:
            return UNSEEN
        if (earlier, later) not in self.interpolations:
            trajectories = self.seen.between(earlier, later)
            self.interpolations[earlier, later] = interpolation_between(
                earlier, later, *trajectories, self.graph.settings
            )
        return self.interpolations[earlier, later]

    def _is_parted(self, earlier: Detection, later: Detection, interpolation: Interpolation) -> bool:
        return not interpolation.certain and self.seen.cut_between(earlier.time_ms, later.time_ms)

    def _track(self, part: Sequence[Detection], between_both: Sequence[Keyframe]) -> Track:
        first, last = part[0], part[-1]
        before, after = self._out(first, backward=True), self._out(last, backward=False)
        keyframes = (*reversed(before.keyframes), *between_both, *after.keyframes)
        hold_ms = self.graph.settings.hold_intervals * self.graph.interval_ms
        # Who was seen to leave the frame is not held.
        start_ms = (
            keyframes[0].time_ms if before.certain else min(first.time_ms - hold_ms, keyframes[0].time_ms)
        )
        end_ms = (
            keyframes[-1].time_ms if after.certain else max(last.time_ms + hold_ms, keyframes[-1].time_ms)
        )
        after_ms, before_ms = self.seen.shot(keyframes[0].time_ms, keyframes[-1].time_ms)
        return Track(
            first=first,
            last=last,
            confidence=max(detection.confidence for detection in part),
            keyframes=keyframes,
            start_ms=max(start_ms, math.nextafter(after_ms, math.inf)),
            end_ms=min(end_ms, math.nextafter(before_ms, -math.inf)),
            opening=_edge(is_certain=before.certain, is_cut=start_ms <= after_ms),
            closing=_edge(is_certain=after.certain, is_cut=end_ms >= before_ms),
            interval_ms=self.graph.interval_ms,
            settings=self.graph.settings,
            names=tuple((face.time_ms, self.names[face]) for face in part),
        )

    def _out(self, end: Detection, *, backward: bool) -> Interpolation:
        trajectory = self.seen.out(end, backward=backward)
        return interpolation_to_border(end, trajectory, self.graph.interval_ms, self.graph.settings)


def _names(graph: TrackletGraph) -> dict[Detection, Detection]:
    """Return the name of each detection."""
    return {
        face: name for tracklet, name in zip(graph.tracklets, graph.names, strict=True) for face in tracklet
    }


def _edge(*, is_certain: bool, is_cut: bool) -> Edge:
    if is_cut:
        return Edge.CUT
    return Edge.BORDER if is_certain else Edge.OPEN


def _keyframe(detection: Detection) -> Keyframe:
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
