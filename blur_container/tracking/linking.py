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

    chains: tuple[Tracklet, ...]
    bridges: tuple[GapLink, ...]


def link_tracklets(layout: TrackletGraph, seen: Observations) -> LinkedTracklets:
    """Return the chains of `layout`, parted where paths lead elsewhere and joined where they lead.

    What no path confirms stays as it was: a link in doubt is covered wider, not given up.
    """
    if seen.is_empty:
        return LinkedTracklets(layout.chains, layout.bridges)
    follows: dict[Detection, Detection] = {}
    doubtful: list[GapLink] = []
    for chain in layout.chains:
        for earlier, later in pairwise(chain):
            paths = seen.between(earlier, later)
            if interpolation_between(earlier, later, *paths, layout.settings).certain:
                follows[earlier] = later
            elif not _leaves(earlier, paths[0], layout) and not _leaves(later, paths[1], layout):
                doubtful.append((earlier, later))
    every = [detection for chain in layout.chains for detection in chain]
    _add(follows, (pair for *_, pair in sorted(_meetings(every, follows, layout, seen), key=_cost)))
    _add(follows, doubtful)
    begun = set(follows.values())
    bridges = [
        (end, start)
        for end, start in layout.bridges
        if end not in follows and start not in begun and _may_be_one(end, start, layout, seen)
    ]
    return LinkedTracklets(tuple(_chains(every, follows)), tuple(bridges))


def _meetings(
    every: Sequence[Detection], follows: dict[Detection, Detection], layout: TrackletGraph, seen: Observations
) -> Iterator[tuple[int, float, GapLink]]:
    """Yield (ms between them, distance in faces, pair) of open ends and starts that paths lead between."""
    begun = set(follows.values())
    starts = sorted((face for face in every if face not in begun), key=_time)
    open_ms = layout.settings.open_intervals * layout.interval_ms
    for end in (face for face in every if face not in follows):
        first = bisect_left(starts, end.time_ms + 1, key=_time)
        for start in starts[first:]:
            if start.time_ms > end.time_ms + open_ms:
                break
            distance = _apart(end, start, seen)
            if distance is not None and distance <= layout.settings.meet_faces:
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


def _may_be_one(end: Detection, start: Detection, layout: TrackletGraph, seen: Observations) -> bool:
    """Return whether a face may have gone unseen from `end` to `start`.

    Nobody who was seen at rest, and was missed by the sample between, is elsewhere in the one after. Where
    both were lost at once, nobody was seen at rest.
    """
    onward, back = seen.between(end, start)
    is_long = start.time_ms - end.time_ms > layout.settings.bridge_intervals * layout.interval_ms
    if is_long and (onward.fixes or back.fixes):
        return False
    return not _leaves(end, onward, layout) and not _leaves(start, back, layout)


def _leaves(face: Detection, path: Trajectory, layout: TrackletGraph) -> bool:
    return frame_exit(face, path, layout.interval_ms, layout.settings) is not None


def _add(follows: dict[Detection, Detection], pairs: Iterator[GapLink] | Sequence[GapLink]) -> None:
    """Join pairs in their order, unless one of them is joined already."""
    begun = set(follows.values())
    for end, start in pairs:
        if end not in follows and start not in begun:
            follows[end] = start
            begun.add(start)


def _chains(every: Sequence[Detection], follows: dict[Detection, Detection]) -> Iterator[Tracklet]:
    begun = set(follows.values())
    for face in every:
        if face not in begun:
            chain = [face]
            while chain[-1] in follows:
                chain.append(follows[chain[-1]])
            yield tuple(chain)


def _cost(meeting: tuple[int, float, GapLink]) -> tuple[int, float, int]:
    # The next sample first: a face that is at rest is as near to the one after.
    gap_ms, distance, (end, _) = meeting
    return gap_ms, distance, end.time_ms


def _time(face: Detection) -> int:
    return face.time_ms
