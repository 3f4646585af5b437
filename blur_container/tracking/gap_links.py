"""Gap links: pairs of a tracklet's end and another tracklet's start that may be one fast face.

Association leaves two tracklets where a face moves too fast for it. Both keep their holds; the gap link also
covers the straight line between them, so a wrong link covers too much and never too little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from blur_container.settings import TrackSettings
from blur_container.timing import MS_PER_S
from chalicelib.contract.faces import Detection

Tracklet = tuple[Detection, ...]
GapLink = tuple[Detection, Detection]

_time = attrgetter("time_ms")


def gap_links(tracklets: Sequence[Tracklet], interval_ms: int, settings: TrackSettings) -> list[GapLink]:
    """Return pairs (last detection of a tracklet, first of a later one), in the order of the starts.

    Among the starts of one time the closest pairs are linked first; each end and each start is used at most
    once.
    """
    open_ms = settings.open_intervals * interval_ms
    ends = sorted((tracklet[-1] for tracklet in tracklets), key=_time)
    starts = sorted((tracklet[0] for tracklet in tracklets), key=_time)
    taken: set[int] = set()
    found: list[GapLink] = []
    oldest = next_end = 0
    for time_ms, group in groupby(starts, key=_time):
        while next_end < len(ends) and ends[next_end].time_ms < time_ms:
            next_end += 1
        while oldest < next_end and ends[oldest].time_ms < time_ms - open_ms:
            oldest += 1
        open_ends = [ends[index] for index in range(oldest, next_end) if id(ends[index]) not in taken]
        found += _links_to(list(group), open_ends, taken, settings)
    return found


def _links_to(
    starts: list[Detection], ends: list[Detection], taken: set[int], settings: TrackSettings
) -> Iterator[GapLink]:
    """Yield the gap links to `starts`, which have one time; add the ids of used ends to `taken`."""
    if max(len(ends), len(starts)) > settings.gap_link_ends_max:
        return
    pairs = [(_distance(end, start), i, j) for i, end in enumerate(ends) for j, start in enumerate(starts)]
    reached: set[int] = set()
    for distance, i, j in sorted(pairs):
        end, start = ends[i], starts[j]
        farthest = settings.gap_link_frames_per_s * (start.time_ms - end.time_ms) / MS_PER_S
        if distance > farthest or id(end) in taken or j in reached:
            continue
        taken.add(id(end))
        reached.add(j)
        yield end, start


def _distance(end: Detection, start: Detection) -> float:
    """Return the distance of the centres as a fraction of the frame."""
    here, there = end.box, start.box
    across = there.left + there.width / 2 - here.left - here.width / 2
    down = there.top + there.height / 2 - here.top - here.height / 2
    return math.hypot(across, down)
