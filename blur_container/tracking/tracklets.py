"""The tracklet graph of a video: its tracklets, its gap links, and the faces that are to be followed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from blur_container.geometry import centre_shift
from blur_container.settings import RenderSettings, TrackSettings
from blur_container.timing import WHOLE, Section
from blur_container.tracking.association import associate
from blur_container.tracking.gap_links import GapLink, Tracklet, gap_links
from blur_container.tracking.observations import GLITCH_MAX_MS
from blur_container.tracking.trajectory import FlowRequest
from chalicelib.contract.faces import Detection, FacesDocument

# How many times a mask depends on detections one reach farther away; see `TrackletGraph.searched`.
_REACHES = 3


def tracklet_graph_of(
    faces: FacesDocument, settings: RenderSettings, interval_ms: int | None = None
) -> TrackletGraph:
    """Return the graph of all detections of a video above the minimum confidence.

    The sampling interval is computed from them unless it is given.
    """
    return TrackletGraph.of(_trusted(faces, settings), track_settings(settings), interval_ms)


def interval_ms_of(faces: FacesDocument, settings: RenderSettings) -> int:
    """Return the sampling interval in ms of the graph of `faces`, without building the graph."""
    times_ms = (face.time_ms for face in _trusted(faces, settings))
    return sampling_interval_ms(times_ms, track_settings(settings))


def _trusted(faces: FacesDocument, settings: RenderSettings) -> Iterator[Detection]:
    return (face for face in faces.detections if face.confidence >= settings.min_confidence)


def track_settings(settings: RenderSettings) -> TrackSettings:
    """Return the track settings, wider ones if faces are not followed."""
    return settings.tracks if settings.follow_faces else settings.tracks.blind()


@dataclass(frozen=True)
class TrackletGraph:
    """The tracklets of one video or of a window of it, the gap links between them, the sampling interval.

    `names` has the first detection of each tracklet in the whole video. Masks are right for the frames in
    `section`; windows.py reduces the graph of a video to the detections that matter for a section.
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
        """Return the graph of `detections` in any order; compute the interval unless it is given."""
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
        """Return the section in which faces have to be followed, so that the masks in `section` are right.

        Let r be the longer of the time a tracklet stays open and the time a face is followed. Masks reach
        `hold + r` beyond a detection, because the hold of a face that leaves counts from its last box.
        Whether that detection ends a track depends on pairs within r of it. A pair gives way to closer pairs
        that share a detection, which are between its two: the greedy choice does not spread. Whether those
        detections are free depends on links that reach r farther. A face that a glitch hides is held from
        the glitch's end.
        """
        reach = max(self.settings.open_intervals, self.settings.follow_intervals)
        reach_ms = (_REACHES * reach + self.settings.hold_intervals) * self.interval_ms
        return self.section.wider(reach_ms + GLITCH_MAX_MS)

    def times_ms(self) -> list[int]:
        """Return the distinct times of all detections, in order."""
        return sorted({detection.time_ms for detection in chain.from_iterable(self.tracklets)})

    def requests(self) -> Iterator[FlowRequest]:
        """Yield the flow requests within `searched`: between possible neighbours, and out of tracklets.

        A tracklet that is cut at the border of a window has no end there: its request would leave `searched`.
        """
        reach_ms = self.settings.follow_intervals * self.interval_ms
        requests = []
        for faces in self.tracklets:
            first, last = faces[0], faces[-1]
            requests.append(FlowRequest(first, first.time_ms - reach_ms, _speed(*faces[:2])))
            requests += [request for pair in pairwise(faces) for request in _both_directions(*pair)]
            requests.append(FlowRequest(last, last.time_ms + reach_ms, _speed(*faces[-2:])))
        requests += [request for pair in self.gap_links for request in _both_directions(*pair)]
        searched = self.searched
        for request in requests:
            if searched.start_ms <= request.begin_ms and request.end_ms <= searched.end_ms:
                yield request


def _both_directions(earlier: Detection, later: Detection) -> tuple[FlowRequest, FlowRequest]:
    speed = _speed(earlier, later)
    return FlowRequest(earlier, later.time_ms, speed), FlowRequest(later, earlier.time_ms, speed)


def _speed(earlier: Detection, later: Detection | None = None) -> tuple[float, float] | None:
    """Return the speed of a face in fractions of the frame per millisecond; None from one detection."""
    if later is None:
        return None
    across, down = centre_shift(earlier.box, later.box)
    elapsed_ms = later.time_ms - earlier.time_ms
    return across / elapsed_ms, down / elapsed_ms


def sampling_interval_ms(times_ms: Iterable[int], settings: TrackSettings) -> int:
    """Return the detector's sampling interval in ms: the lower median gap of the distinct times, bounded.

    Few gaps prove nothing: the last frame of a video is sampled early, and its short gap would leave the
    start of the face uncovered. Then it is the longest gap, or the default if that is longer.
    """
    distinct = sorted(set(times_ms))
    gaps = [later - earlier for earlier, later in pairwise(distinct)]
    if len(gaps) < settings.gaps_to_trust:
        gap = max(gaps, default=0)
        return min(max(gap, settings.default_interval_ms), settings.longest_interval_ms)
    # The lower median: a face that comes and goes makes long gaps, and an interval too long joins two faces.
    gap = statistics.median_low(gaps)
    return min(max(gap, settings.shortest_interval_ms), settings.longest_interval_ms)
