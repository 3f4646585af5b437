"""Windows: the part of a video's tracklet graph that decides the masks of one section.

Tracklets, gap links, names and the interval are those of the whole video, without detections far away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import replace
from operator import attrgetter

from blur_container.timing import Section
from blur_container.tracking.tracklets import TrackletGraph

# Detections are kept so much beyond the searched section: their frames are always decoded, and each decoded
# frame decides which ones are skipped after it. The low-resolution pass begins at most so much earlier.
_WARM_UP_MS = 4500
_BUCKET_MS = 10_000

_time = attrgetter("time_ms")


class Windows:
    """Makes windows of one tracklet graph; a window costs time for the detections near it only."""

    def __init__(self, graph: TrackletGraph) -> None:
        self._graph = graph
        self._tracklets = _Buckets()
        self._gap_links = _Buckets()
        for index, tracklet in enumerate(graph.tracklets):
            self._tracklets.add(index, tracklet[0].time_ms, tracklet[-1].time_ms)
        for index, (end, start) in enumerate(graph.gap_links):
            self._gap_links.add(index, end.time_ms, start.time_ms)

    def of(self, section: Section) -> TrackletGraph:
        """Return the graph that gives every frame in `section` the masks of the whole graph."""
        window = replace(self._graph, section=section)
        kept = window.searched.wider(_WARM_UP_MS)
        tracklets, names = [], []
        for index in self._tracklets.near(kept):
            tracklet = self._graph.tracklets[index]
            first = bisect_left(tracklet, kept.start_ms, key=_time)
            if part := tracklet[first : bisect_right(tracklet, kept.end_ms, key=_time)]:
                tracklets.append(part)
                names.append(self._graph.names[index])
        near = (self._graph.gap_links[index] for index in self._gap_links.near(kept))
        gap_links = tuple(pair for pair in near if all(kept.holds(face.time_ms) for face in pair))
        return replace(window, tracklets=tuple(tracklets), names=tuple(names), gap_links=gap_links)


class _Buckets:
    """Numbered spans of time, found by the buckets of time they touch."""

    def __init__(self) -> None:
        self._numbers: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, number: int, first_ms: int, last_ms: int) -> None:
        for bucket in range(first_ms // _BUCKET_MS, last_ms // _BUCKET_MS + 1):
            self._numbers[bucket].append(number)

    def near(self, section: Section) -> list[int]:
        """Return the numbers of the spans that may touch a section, in rising order."""
        first, last = section.start_ms // _BUCKET_MS, section.end_ms // _BUCKET_MS
        touched = (bucket for bucket in self._numbers if first <= bucket <= last)
        return sorted({number for bucket in touched for number in self._numbers[bucket]})
