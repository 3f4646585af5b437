"""Layout: which detections belong together, and where their faces have to be looked for."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from blur_container.settings import RenderSettings, TrackSettings
from blur_container.timing import WHOLE, Section
from blur_container.tracking.association import associate
from blur_container.tracking.gap_links import GapLink, Tracklet, gap_links
from blur_container.tracking.observations import GLITCH_MAX_MS
from blur_container.tracking.trajectory import FlowRequest
from chalicelib.contract.faces import Detection, FacesDocument

# How often a mask depends on what lies one reach farther: `TrackletGraph.searched` counts them.
_REACHES = 3


def tracklet_graph_of(
    faces: FacesDocument, settings: RenderSettings, interval_ms: int | None = None
) -> TrackletGraph:
    """Return the layout of all trusted detections of a video; the interval is theirs unless it is given."""
    return TrackletGraph.of(_trusted(faces, settings), track_settings(settings), interval_ms)


def interval_ms_of(faces: FacesDocument, settings: RenderSettings) -> int:
    """Return the sampling interval of that layout, without making it."""
    times_ms = (face.time_ms for face in _trusted(faces, settings))
    return sampling_interval_ms(times_ms, track_settings(settings))


def _trusted(faces: FacesDocument, settings: RenderSettings) -> Iterator[Detection]:
    return (face for face in faces.detections if face.confidence >= settings.min_confidence)


def track_settings(settings: RenderSettings) -> TrackSettings:
    """Return the settings of tracks: others where faces are not followed."""
    return settings.tracks if settings.follow_faces else settings.tracks.blind()


@dataclass(frozen=True)
class TrackletGraph:
    """The chains of the detections of one video, the bridges between them, and the sampling interval.

    `names` has one detection for each chain: the first of it in the whole video. Its masks are meant for the
    frames in `section`; windows.py cuts the layout of a video to what matters for a part of it.
    """

    interval_ms: int
    tracklets: tuple[Tracklet, ...]
    gap_links: tuple[GapLink, ...]
    settings: TrackSettings
    names: tuple[Detection, ...]
    section: Section = WHOLE

    @classmethod
    def of(
        cls, detections: Iterable[Detection], settings: TrackSettings, interval_ms: int | None = None
    ) -> TrackletGraph:
        """Return the layout of `detections`, in whatever order; the interval is theirs unless it is given."""
        every = list(detections)
        if interval_ms is None:
            interval_ms = sampling_interval_ms((detection.time_ms for detection in every), settings)
        tracklets = tuple(associate(every, interval_ms, settings))
        names = tuple(faces[0] for faces in tracklets)
        return cls(
            interval_ms, tracklets, tuple(gap_links(tracklets, interval_ms, settings)), settings, names
        )

    @property
    def searched(self) -> Section:
        """Return where faces have to be looked for, so that the masks in `section` are right.

        In sampling intervals, with r for how long a chain stays open or a face is followed: masks reach
        `hold + r` beyond a detection, the hold of a face that leaves counted from its last fix. Whether that
        detection is the end of a track is up to pairs within r of it. A pair yields to closer pairs that
        share a detection, and these lie between its two: the greedy choice does not spread. Whether those
        detections are free for a pair is up to links that reach r farther. A face that a glitch hides is held
        from its end on.
        """
        reach = max(self.settings.open_intervals, self.settings.follow_intervals)
        reach_ms = (_REACHES * reach + self.settings.hold_intervals) * self.interval_ms
        return self.section.wider(reach_ms + GLITCH_MAX_MS)

    def times_ms(self) -> list[int]:
        """Return the distinct times of all detections, in order."""
        return sorted({detection.time_ms for detection in chain.from_iterable(self.tracklets)})

    def requests(self) -> Iterator[FlowRequest]:
        """Yield the requests within `searched`: between detections that may be one face, and out of ends.

        A tracklet that is cut at the border of a window has no end there: its request would leave `searched`.
        """
        searched = self.searched
        for request in self._all_chases():
            if searched.start_ms <= request.begin_ms and request.end_ms <= searched.end_ms:
                yield request

    def _all_chases(self) -> Iterator[FlowRequest]:
        reach_ms = self.settings.follow_intervals * self.interval_ms
        for faces in self.tracklets:
            first, last = faces[0], faces[-1]
            yield FlowRequest(first, first.time_ms - reach_ms, _speed(*faces[:2]))
            for earlier, later in pairwise(faces):
                yield from _both_ways(earlier, later)
            yield FlowRequest(last, last.time_ms + reach_ms, _speed(*faces[-2:]))
        for end, start in self.gap_links:
            yield from _both_ways(end, start)


def _both_ways(earlier: Detection, later: Detection) -> Iterator[FlowRequest]:
    speed = _speed(earlier, later)
    yield FlowRequest(earlier, later.time_ms, speed)
    yield FlowRequest(later, earlier.time_ms, speed)


def _speed(earlier: Detection, later: Detection | None = None) -> tuple[float, float] | None:
    """Return the speed of a face in fractions of the frame a millisecond; one detection tells none."""
    if later is None:
        return None
    one, other, elapsed_ms = earlier.box, later.box, later.time_ms - earlier.time_ms
    across = (other.left + other.right - one.left - one.right) / 2
    down = (other.top + other.bottom - one.top - one.bottom) / 2
    return across / elapsed_ms, down / elapsed_ms


def sampling_interval_ms(times_ms: Iterable[int], settings: TrackSettings) -> int:
    """Return how often the detector looked: the median gap of the distinct times, within sane bounds.

    Few gaps prove nothing: the last frame of a video is looked at early, and its short gap would leave the
    start of the face bare. Then the longest gap counts, or the default where that is longer.
    """
    moments = sorted(set(times_ms))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    if len(gaps) < settings.gaps_to_trust:
        gap = max(gaps, default=0)
        return min(max(gap, settings.default_interval_ms), settings.longest_interval_ms)
    # The lower median: a face that comes and goes makes long gaps, and an interval too long joins two faces.
    gap = statistics.median_low(gaps)
    return min(max(gap, settings.shortest_interval_ms), settings.longest_interval_ms)
