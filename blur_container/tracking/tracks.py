"""Tracks of one video: build them from tracklets and observations, and find the boxes at any time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from blur_container.settings import TrackSettings
from blur_container.timing import Section
from blur_container.tracking.interpolation import (
    Interpolation,
    Interpolations,
    interpolation_to_border,
    uncertain_interpolation,
)
from blur_container.tracking.linking import link_tracklets
from blur_container.tracking.observations import NOTHING_SEEN, Glitch, Observations
from blur_container.tracking.track import Edge, Track
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.trajectory import Keyframe
from chalicelib.contract.faces import Box, Detection


class Span(Protocol):
    """A span of time in milliseconds, both ends included."""

    @property
    def start_ms(self) -> float:
        """Return the first time of the span."""

    @property
    def end_ms(self) -> float:
        """Return the last time of the span."""


SpanT = TypeVar("SpanT", bound=Span)


class Gap(NamedTuple):
    """Two neighbouring detections that no trajectory joins: one face by its place alone, or two at a cut."""

    earlier: Detection
    later: Detection
    is_cut: bool


class Hidden(NamedTuple):
    """A glitch and the additional track that covers a face through it, beside the face's own."""

    glitch: Glitch
    track: Track


class Tracks:
    """All tracks of one video; the boxes of a frame are found among the tracks near its time only."""

    def __init__(self, graphs: Sequence[TrackletGraph], seen: Observations = NOTHING_SEEN) -> None:
        """Unite the tracks of one or more tracklet graphs; the first one gives `interval_ms`."""
        self.interval_ms = graphs[0].interval_ms
        self.of_faces: list[Track] = []
        self.gaps: list[Gap] = []
        self.hidden: list[Hidden] = []
        across_gaps: list[Track] = []
        for graph in graphs:
            interpolations = Interpolations(seen, graph.settings)
            linked = link_tracklets(graph, seen, interpolations)
            named = zip(graph.tracklets, graph.names, strict=True)
            names = {face: name for tracklet, name in named for face in tracklet}
            builder = _Builder(graph, seen, interpolations, names)
            for tracklet in linked.tracklets:
                self.of_faces.extend(builder.tracks(tracklet))
                self.gaps.extend(builder.gaps(tracklet))
                self.hidden.extend(builder.hidden(tracklet))
            across_gaps.extend(track for pair in linked.gap_links for track in builder.gap_link(*pair))
            self.gaps.extend(Gap(*pair, is_cut=False) for pair in linked.gap_links)
        behind = (hidden.track for hidden in self.hidden)
        self._index = SpanIndex([*self.of_faces, *across_gaps, *behind], self.interval_ms)

    @property
    def count(self) -> int:
        """Return the number of tracks of faces, without the tracks across gap links and glitches."""
        return len(self.of_faces)

    def begun_in(self, section: Section) -> int:
        """Return the number of tracks of faces whose first detection is in a section."""
        return sum(section.holds(track.first.time_ms) for track in self.of_faces)

    @classmethod
    def of(cls, detections: Iterable[Detection], settings: TrackSettings) -> Tracks:
        """Return the tracks of `detections` by time and place alone, without observations."""
        return cls([TrackletGraph.of(detections, settings)])

    def boxes_at(self, time_ms: float) -> list[Box]:
        """Return the boxes that cover the faces at `time_ms`; they may reach outside the frame."""
        return [track.box_at(time_ms) for track in self._index.at(time_ms)]

    def at(self, time_ms: float) -> list[Track]:
        """Return the tracks at `time_ms`, those across gap links and glitches included."""
        return self._index.at(time_ms)


@dataclass(frozen=True)
class _Builder:
    """Makes tracks of linked tracklets and of the observations between and beyond their detections.

    `names` has the name of each detection: the first detection of its tracklet in the whole video.
    """

    graph: TrackletGraph
    seen: Observations
    interpolations: Interpolations
    names: dict[Detection, Detection]

    def tracks(self, tracklet: Sequence[Detection]) -> Iterator[Track]:
        """Yield the track of a tracklet, or several where cuts part it."""
        part, keyframes = [tracklet[0]], [_keyframe(tracklet[0])]
        for earlier, later in pairwise(tracklet):
            interpolation = self.interpolations.between(earlier, later)
            if self._is_parted(earlier, later, interpolation):
                yield self._track(part, keyframes)
                part, keyframes = [], []
            part.append(later)
            keyframes += [*interpolation.keyframes, _keyframe(later)] if keyframes else [_keyframe(later)]
        yield self._track(part, keyframes)

    def gap_link(self, earlier: Detection, later: Detection) -> Iterator[Track]:
        """Yield the track from the end of one tracklet to the start of another, unless a cut parts them."""
        interpolation = self.interpolations.between(earlier, later)
        if not self._is_parted(earlier, later, interpolation):
            yield self._track(
                [earlier, later], [_keyframe(earlier), *interpolation.keyframes, _keyframe(later)]
            )

    def gaps(self, tracklet: Sequence[Detection]) -> Iterator[Gap]:
        """Yield the neighbours in a tracklet that no trajectory joins.

        If no face was followed, yield only those farther apart than a gap link across one missed sample.
        """
        longest_ms = self.graph.settings.gap_link_intervals * self.graph.interval_ms
        for earlier, later in pairwise(tracklet):
            interpolation = self.interpolations.between(earlier, later)
            is_long = later.time_ms - earlier.time_ms > longest_ms
            if not interpolation.certain and (is_long or not self.seen.is_empty):
                yield Gap(earlier, later, self._is_parted(earlier, later, interpolation))

    def hidden(self, tracklet: Sequence[Detection]) -> Iterator[Hidden]:
        """Yield additional tracks of a face through glitches, where its trajectory may be wrong."""
        yield from self._hidden_beyond(tracklet[0], backward=True)
        for earlier, later in pairwise(tracklet):
            if self._is_parted(earlier, later, self.interpolations.between(earlier, later)):
                yield from self._hidden_beyond(earlier, backward=False)
                yield from self._hidden_beyond(later, backward=True)
                continue
            for glitch in self.seen.glitches_between(earlier.time_ms, later.time_ms):
                trajectories = self.seen.between(earlier, later)
                between = uncertain_interpolation(earlier, later, *trajectories, self.graph.settings)
                keyframes = _keyframe(earlier), *between.keyframes, _keyframe(later)
                span = max(earlier.time_ms, glitch.before_ms), min(later.time_ms, glitch.after_ms)
                yield Hidden(glitch, self._cover((earlier, later), keyframes, Section(*span)))
        yield from self._hidden_beyond(tracklet[-1], backward=False)

    def _hidden_beyond(self, end: Detection, *, backward: bool) -> Iterator[Hidden]:
        """Yield additional tracks through each glitch near an end of a track, and for a hold past it."""
        hold_ms = self.graph.settings.hold_intervals * self.graph.interval_ms
        trajectory = self.seen.out(end, backward=backward)
        times_ms = [end.time_ms, end.time_ms - hold_ms if backward else end.time_ms + hold_ms]
        times_ms += [tracked.time_ms for tracked in trajectory.tracked_boxes]
        met = self.seen.glitches_between(min(times_ms), max(times_ms))
        for glitch in met:
            intact = trajectory.until(max(one.after_ms for one in met) if backward else met[0].before_ms)
            keyframes = [_keyframe(end), *(Keyframe(*tracked) for tracked in intact.tracked_boxes)]
            if backward:
                held = Section(glitch.before_ms - hold_ms, glitch.after_ms)
            else:
                held = Section(glitch.before_ms, glitch.after_ms + hold_ms)
            yield Hidden(glitch, self._cover((end,), keyframes[::-1] if backward else keyframes, held))

    def _cover(self, part: Sequence[Detection], keyframes: Sequence[Keyframe], span: Section) -> Track:
        """Return an additional track within the shot of `part`, its uncertainty one interval higher."""
        after_ms, before_ms = self.seen.shot(part[0].time_ms, part[-1].time_ms)
        return Track(
            first=part[0],
            last=part[-1],
            confidence=max(detection.confidence for detection in part),
            keyframes=tuple(
                keyframe._replace(uncertainty=keyframe.uncertainty + 1) for keyframe in keyframes
            ),
            start_ms=max(span.start_ms, math.nextafter(after_ms, math.inf)),
            end_ms=min(span.end_ms, math.nextafter(before_ms, -math.inf)),
            opening=Edge.OPEN,
            closing=Edge.OPEN,
            interval_ms=self.graph.interval_ms,
            settings=self.graph.settings,
            names=tuple((face.time_ms, self.names[face]) for face in part),
        )

    def _is_parted(self, earlier: Detection, later: Detection, interpolation: Interpolation) -> bool:
        return not interpolation.certain and self.seen.cut_between(earlier.time_ms, later.time_ms)

    def _track(self, part: Sequence[Detection], between_both: Sequence[Keyframe]) -> Track:
        """Return the track of the detections in `part`, whose own and inner keyframes are `between_both`.

        It is held beyond its last known boxes, within its shot, unless the face was seen to leave the frame.
        """
        first, last = part[0], part[-1]
        before, after = self._out(first, backward=True), self._out(last, backward=False)
        keyframes = (*reversed(before.keyframes), *between_both, *after.keyframes)
        hold_ms = self.graph.settings.hold_intervals * self.graph.interval_ms
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


def _edge(*, is_certain: bool, is_cut: bool) -> Edge:
    if is_cut:
        return Edge.CUT
    return Edge.BORDER if is_certain else Edge.OPEN


def _keyframe(detection: Detection) -> Keyframe:
    return Keyframe(detection.time_ms, detection.box)


class SpanIndex(Generic[SpanT]):
    """An index of spans by buckets of time, so that a lookup reads one bucket only."""

    def __init__(self, spans: Sequence[SpanT], bucket_ms: int) -> None:
        self._bucket_ms = bucket_ms
        self._buckets: defaultdict[int, list[SpanT]] = defaultdict(list)
        for span in spans:
            for bucket in range(self._bucket(span.start_ms), self._bucket(span.end_ms) + 1):
                self._buckets[bucket].append(span)

    def at(self, time_ms: float) -> list[SpanT]:
        """Return the spans that contain `time_ms`, in the order they were given."""
        near = self._buckets.get(self._bucket(time_ms), [])
        return [span for span in near if span.start_ms <= time_ms <= span.end_ms]

    def _bucket(self, time_ms: float) -> int:
        return int(time_ms // self._bucket_ms)
