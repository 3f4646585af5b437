"""Windows: the part of a video's layout that decides the masks of one section of it.

Chains, bridges, names and the interval are those of the whole video; only what is far away is left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from blur_container.timing import Section
from blur_container.tracking.gap_links import GapLink, Tracklet
from blur_container.tracking.tracklets import TrackletGraph
from chalicelib.contract.faces import Detection

# Detections so much farther away than the look are kept: their pictures are always decoded, and what is
# decoded tells what is left out after it. The first look begins at most so much before what it needs.
_WARM_UP_MS = 4500
_BUCKET_MS = 10_000


class Windows:
    """Cuts windows out of one layout; a window costs only what lies near it."""

    def __init__(self, graph: TrackletGraph) -> None:
        self._graph = graph
        self._tracklets = _Buckets()
        self._gap_links = _Buckets()
        for index, tracklet in enumerate(graph.tracklets):
            self._tracklets.add(index, tracklet[0].time_ms, tracklet[-1].time_ms)
        for index, (end, start) in enumerate(graph.gap_links):
            self._gap_links.add(index, end.time_ms, start.time_ms)

    def of(self, section: Section) -> TrackletGraph:
        """Return the layout whose masks are those of the whole for every frame in `section`."""
        window = replace(self._graph, section=section)
        kept = window.searched.wider(_WARM_UP_MS)
        parts = [(index, _part(self._graph.tracklets[index], kept)) for index in self._tracklets.near(kept)]
        return replace(
            window,
            tracklets=tuple(part for _, part in parts if part),
            names=tuple(self._graph.names[index] for index, part in parts if part),
            gap_links=tuple(self._gap_links_in(kept)),
        )

    def _gap_links_in(self, kept: Section) -> Iterator[GapLink]:
        for index in self._gap_links.near(kept):
            end, start = self._graph.gap_links[index]
            if kept.holds(end.time_ms) and kept.holds(start.time_ms):
                yield end, start


class _Buckets:
    """Numbers of spans of time, found by the buckets they touch."""

    def __init__(self) -> None:
        self._numbers: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, number: int, first_ms: int, last_ms: int) -> None:
        for bucket in range(first_ms // _BUCKET_MS, last_ms // _BUCKET_MS + 1):
            self._numbers[bucket].append(number)

    def near(self, section: Section) -> list[int]:
        """Return the numbers of the spans that may touch a section, in the order they were counted."""
        first, last = section.start_ms // _BUCKET_MS, section.end_ms // _BUCKET_MS
        touched = (bucket for bucket in self._numbers if first <= bucket <= last)
        return sorted({number for bucket in touched for number in self._numbers[bucket]})


def _part(tracklet: Tracklet, kept: Section) -> Tracklet:
    first = bisect_left(tracklet, kept.start_ms, key=_time)
    return tracklet[first : bisect_right(tracklet, kept.end_ms, key=_time)]


def _time(detection: Detection) -> int:
    return detection.time_ms
