"""Joining: chains of detections as the pictures confirm them, instead of place and size alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from blur_container.geometry import distance_faces
from blur_container.tracking.frame_exit import frame_exit
from blur_container.tracking.gap_links import GapLink, Tracklet
from blur_container.tracking.interpolation import interpolation_between
from blur_container.tracking.observations import Observations
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.trajectory import Trajectory
from chalicelib.contract.faces import Detection


@dataclass(frozen=True)
class LinkedTracklets:
    """Chains, each in time and each detection in one, and the bridges between ends that stayed open."""

    tracklets: tuple[Tracklet, ...]
    gap_links: tuple[GapLink, ...]


def link_tracklets(graph: TrackletGraph, seen: Observations) -> LinkedTracklets:
    """Return the chains of `graph`, parted where paths lead elsewhere and joined where they lead.

    What no path confirms stays as it was: a link in doubt is covered wider, not given up.
    """
    if seen.is_empty:
        return LinkedTracklets(graph.tracklets, graph.gap_links)
    follows: dict[Detection, Detection] = {}
    doubtful: list[GapLink] = []
    for tracklet in graph.tracklets:
        for earlier, later in pairwise(tracklet):
            trajectories = seen.between(earlier, later)
            if interpolation_between(earlier, later, *trajectories, graph.settings).certain:
                follows[earlier] = later
            elif not _leaves(earlier, trajectories[0], graph) and not _leaves(later, trajectories[1], graph):
                doubtful.append((earlier, later))
    every = [detection for tracklet in graph.tracklets for detection in tracklet]
    _add(follows, (pair for *_, pair in sorted(_link_candidates(every, follows, graph, seen), key=_cost)))
    _add(follows, doubtful)
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
    """Yield (ms between them, distance in faces, pair) of open ends and starts that paths lead between."""
    begun = set(follows.values())
    starts = sorted((face for face in every if face not in begun), key=_time)
    open_ms = graph.settings.open_intervals * graph.interval_ms
    for end in (face for face in every if face not in follows):
        first = bisect_left(starts, end.time_ms + 1, key=_time)
        for start in starts[first:]:
            if start.time_ms > end.time_ms + open_ms:
                break
            distance = _apart(end, start, seen)
            if distance is not None and distance <= graph.settings.meet_faces:
                yield start.time_ms - end.time_ms, distance, (end, start)


def _apart(end: Detection, start: Detection, seen: Observations) -> float | None:
    """Return how far from each other's detection the paths are at most; None where there is no path."""
    onward, back = seen.between(end, start)
    arrived = [
        distance_faces(box, face.box)
        for box, face in ((onward.box_at(start.time_ms), start), (back.box_at(end.time_ms), end))
        if box is not None
    ]
    return max(arrived, default=None)


def _may_be_one(end: Detection, start: Detection, graph: TrackletGraph, seen: Observations) -> bool:
    """Return whether a face may have gone unseen from `end` to `start`.

    Nobody who was seen at rest, and was missed by the sample between, is elsewhere in the one after. Where
    both were lost at once, nobody was seen at rest.
    """
    onward, back = seen.between(end, start)
    is_long = start.time_ms - end.time_ms > graph.settings.bridge_intervals * graph.interval_ms
    if is_long and (onward.tracked_boxes or back.tracked_boxes):
        return False
    return not _leaves(end, onward, graph) and not _leaves(start, back, graph)


def _leaves(face: Detection, trajectory: Trajectory, graph: TrackletGraph) -> bool:
    return frame_exit(face, trajectory, graph.interval_ms, graph.settings) is not None


def _add(follows: dict[Detection, Detection], pairs: Iterator[GapLink] | Sequence[GapLink]) -> None:
    """Join pairs in their order, unless one of them is joined already."""
    begun = set(follows.values())
    for end, start in pairs:
        if end not in follows and start not in begun:
            follows[end] = start
            begun.add(start)


def _tracklets(every: Sequence[Detection], follows: dict[Detection, Detection]) -> Iterator[Tracklet]:
    begun = set(follows.values())
    for face in every:
        if face not in begun:
            tracklet = [face]
            while tracklet[-1] in follows:
                tracklet.append(follows[tracklet[-1]])
            yield tuple(tracklet)


def _cost(meeting: tuple[int, float, GapLink]) -> tuple[int, float, int]:
    # The next sample first: a face that is at rest is as near to the one after.
    gap_ms, distance, (end, _) = meeting
    return gap_ms, distance, end.time_ms


def _time(face: Detection) -> int:
    return face.time_ms
