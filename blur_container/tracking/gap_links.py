"""Bridges: the way from where one chain of detections breaks off to where another begins soon after.

A face that is too fast for the association leaves two chains with a gap between them. Both keep their holds;
the bridge covers the straight line between as well, so a wrong bridge covers too much and never too little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from blur_container.settings import TrackSettings
from blur_container.timing import MS_PER_S
from chalicelib.contract.faces import Detection

Tracklet = tuple[Detection, ...]
GapLink = tuple[Detection, Detection]


def gap_links(tracklets: Sequence[Tracklet], interval_ms: int, settings: TrackSettings) -> list[GapLink]:
    """Return (last of one chain, first of a later one), closest first; each at most once."""
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
        broken = [ends[index] for index in range(oldest, next_end) if id(ends[index]) not in taken]
        found += _build(broken, list(group), taken, settings)
    return found


def _build(
    broken: list[Detection], begun: list[Detection], taken: set[int], settings: TrackSettings
) -> Iterator[GapLink]:
    """Yield the bridges to the chains `begun` at one moment; adds the ends they use to `taken`."""
    if max(len(broken), len(begun)) > settings.bridge_ends_max:
        return
    pairs = [(_distance(end, start), i, j) for i, end in enumerate(broken) for j, start in enumerate(begun)]
    reached: set[int] = set()
    for distance, i, j in sorted(pairs):
        end, start = broken[i], begun[j]
        farthest = settings.bridge_frames_per_s * (start.time_ms - end.time_ms) / MS_PER_S
        if distance > farthest or id(end) in taken or j in reached:
            continue
        taken.add(id(end))
        reached.add(j)
        yield end, start


def _distance(end: Detection, start: Detection) -> float:
    """Return how far the centre went, as a fraction of the frame."""
    here, there = end.box, start.box
    across = there.left + there.width / 2 - here.left - here.width / 2
    down = there.top + there.height / 2 - here.top - here.height / 2
    return math.hypot(across, down)


def _time(detection: Detection) -> int:
    return detection.time_ms
