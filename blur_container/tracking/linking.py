"""Tracklet linking: part and join tracklets as the observed trajectories say, not place and size alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, takewhile
from operator import attrgetter, itemgetter

from blur_container.geometry import distance_faces
from blur_container.tracking.frame_exit import frame_exit
from blur_container.tracking.gap_links import GapLink, Tracklet
from blur_container.tracking.interpolation import Interpolations
from blur_container.tracking.observations import Observations
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.trajectory import Trajectory
from chalicelib.contract.faces import Box, Detection

_time = attrgetter("time_ms")


@dataclass(frozen=True)
class LinkedTracklets:
    """Tracklets, each detection in exactly one, and the gap links between ends that stayed open."""

    tracklets: tuple[Tracklet, ...]
    gap_links: tuple[GapLink, ...]


def link_tracklets(
    graph: TrackletGraph, seen: Observations, interpolations: Interpolations
) -> LinkedTracklets:
    """Return the tracklets of `graph`, parted and joined as the trajectories in `seen` lead.

    A link that no trajectory confirms stays, covered wider, unless one of its faces left the frame or has a
    confirmed link. `interpolations` are those of `seen`.
    """
    if seen.is_empty:
        return LinkedTracklets(graph.tracklets, graph.gap_links)
    follows: dict[Detection, Detection] = {}
    unconfirmed: list[GapLink] = []
    for tracklet in graph.tracklets:
        for earlier, later in pairwise(tracklet):
            if interpolations.between(earlier, later).certain:
                follows[earlier] = later
                continue
            forward, back = seen.between(earlier, later)
            if not _leaves(earlier, forward, graph) and not _leaves(later, back, graph):
                unconfirmed.append((earlier, later))
    every = [detection for tracklet in graph.tracklets for detection in tracklet]
    # The next sample first: a face at rest is as near to the sample after it.
    candidates = sorted(
        _link_candidates(every, follows, graph, seen),
        key=lambda candidate: (*candidate[:2], candidate[2][0].time_ms),
    )
    _link(follows, (pair for *_, pair in candidates))
    _link(follows, unconfirmed)
    begun = set(follows.values())
    gap_links = [
        (end, start)
        for end, start in graph.gap_links
        if end not in follows and start not in begun and _may_be_one(end, start, graph, seen)
    ]
    return LinkedTracklets(tuple(_tracklets(every, follows)), tuple(gap_links))


def _link_candidates(
    every: Sequence[Detection], follows: dict[Detection, Detection], graph: TrackletGraph, seen: Observations
) -> Iterator[tuple[int, float, GapLink]]:
    """Yield (ms between them, distance in faces, pair) of unlinked detections that a trajectory connects."""
    begun = set(follows.values())
    starts = sorted((face for face in every if face not in begun), key=_time)
    samples = [(time_ms, list(group)) for time_ms, group in groupby(starts, key=_time)]
    open_ms = graph.settings.open_intervals * graph.interval_ms
    # Of the two trajectories of a pair, each depends on the other end's time alone: a crowd has many pairs.
    back_boxes: dict[tuple[float, float], list[Box | None]] = {}
    for end in (face for face in every if face not in follows):
        first = bisect_left(samples, end.time_ms + 1, key=itemgetter(0))
        for start_ms, group in takewhile(lambda sample: sample[0] <= end.time_ms + open_ms, samples[first:]):  # noqa: B023 used at once
            forward = seen.between(end, group[0])[0].box_at(start_ms)
            if (end.time_ms, start_ms) not in back_boxes:
                backs = [seen.between(end, start)[1].box_at(end.time_ms) for start in group]
                back_boxes[end.time_ms, start_ms] = backs
            for start, back in zip(group, back_boxes[end.time_ms, start_ms], strict=True):
                arrivals = (forward, start), (back, end)
                distances = [distance_faces(box, face.box) for box, face in arrivals if box is not None]
                if distances and max(distances) <= graph.settings.meet_faces:
                    yield start.time_ms - end.time_ms, max(distances), (end, start)


def _may_be_one(end: Detection, start: Detection, graph: TrackletGraph, seen: Observations) -> bool:
    """Return whether a face may have moved unseen from `end` to `start`.

    Across a missed sample only a face that was lost at once may: one that could be followed is slow.
    """
    forward, back = seen.between(end, start)
    is_long = start.time_ms - end.time_ms > graph.settings.gap_link_intervals * graph.interval_ms
    if is_long and (forward.tracked_boxes or back.tracked_boxes):
        return False
    return not _leaves(end, forward, graph) and not _leaves(start, back, graph)


def _leaves(face: Detection, trajectory: Trajectory, graph: TrackletGraph) -> bool:
    return frame_exit(face, trajectory, graph.interval_ms, graph.settings) is not None


def _link(follows: dict[Detection, Detection], pairs: Iterator[GapLink] | Sequence[GapLink]) -> None:
    """Link the pairs in their order, in place; skip a pair if one of its two ends has a link already."""
    linked_starts = set(follows.values())
    for end, start in pairs:
        if end not in follows and start not in linked_starts:
            follows[end] = start
            linked_starts.add(start)


def _tracklets(every: Sequence[Detection], follows: dict[Detection, Detection]) -> Iterator[Tracklet]:
    """Yield the tracklets that `follows` makes of all detections, in the order of their first ones."""
    begun = set(follows.values())
    for face in every:
        if face not in begun:
            tracklet = [face]
            while tracklet[-1] in follows:
                tracklet.append(follows[tracklet[-1]])
            yield tuple(tracklet)
