"""Locating: a first look at the frames around detections, at low resolution, before anything is drawn."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from blur_container.analysis.face_detector import DetectorSettings, FaceDetector
from blur_container.analysis.flow_scheduler import NEAR_MS, FlowScheduler
from blur_container.analysis.proxy_frames import CELL_MS, ProxyFrame, ProxyFrames, Skip, cell_of, open_decoder
from blur_container.analysis.shot_detection import GlitchDetector, ShotBoundaryDetector
from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.reading.prefetch import read_ahead
from blur_container.reading.source import Source
from blur_container.reading.video import first_frame, open_source, video_stream
from blur_container.settings import Refine, RenderSettings
from blur_container.tracking.observations import GLITCH_MAX_MS, Cut, Glitch, Observations, without_glitches
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.trajectory import FlowRequest, Trajectory
from chalicelib.contract.faces import Detection, FacesDocument, VideoDescription

# A gap longer than this between two looks is jumped over: each goes on behind what it needs, and warms up.
_JUMP_MS = 2000 + 2 * GLITCH_MAX_MS
_PERCENT = 100
# Longer than changes are remembered, before the earliest picture that tells of a glitch: what is a cut is
# then known.
_WARM_UP_MS = 1000 + GLITCH_MAX_MS
# The own detector's samples lie at the first frame that others refer to behind each multiple of its
# interval, so they can be this much farther apart.
_WAIT = 1.2
# So much earlier than a window needs them its faces are associated: by then chains are those of the whole.
_ASSOCIATION_MS = 2000
# Reduced pictures that wait for those who follow faces in them.
_AHEAD = 6
# Nearer pictures are not told apart by whole milliseconds, and a cut between them would hide both.
_APART_MS = 2
# How much the luma of a 64x36 thumbnail changes in a millisecond, in steps of 256, where it is enough to
# look at the frames that others refer to: about half of them.
_CALM = 0.03


def track_faces(
    source: Source,
    faces: FacesDocument,
    settings: RenderSettings,
    looked: Callable[[int, int], None] = lambda _done, _all: None,
    origins: TimeOrigins = FROM_FIRST_FRAME,
) -> Tracks:
    """Return the tracks of `faces` in the video at `source`, each followed from frame to frame.

    Where the times of `faces` have several readings, the tracks of all are united. Only frames near
    detections are decoded. `looked` is told how many frames were passed, of how many.
    Raise DamagedVideo where one cannot be decoded.
    """
    graph, *others = origins.layouts(faces, settings)
    return track_faces_in(source, faces.video, graph, settings, looked, others)


def track_faces_in(
    source: Source,
    video: VideoDescription,
    graph: TrackletGraph,
    settings: RenderSettings,
    looked: Callable[[int, int], None] = lambda _done, _all: None,
    others: Sequence[TrackletGraph] = (),
) -> Tracks:
    """Return the tracks of a layout, or of a window of it, as `locate` does for the whole video.

    `others` are the same layout in other readings of its times. In the section of a window they have the same
    boxes and names as those of the whole. Faces that the container's own detector finds have the same boxes,
    and other names.
    """
    if not settings.follow_faces:
        return Tracks([graph, *others])
    low = _LowResolutionPass(source, video, settings, looked)
    layouts = [graph, *others]
    if settings.refine is Refine.DETECTOR:
        layouts.append(low.for_faces(graph))
    requests = [request for one in layouts for request in one.requests()]
    samples_ms = sorted({time for one in (graph, *others) for time in one.times_ms()})
    return Tracks(layouts, low.at(requests, samples_ms)) if requests else Tracks(layouts)


class _LowResolutionPass:
    """A first look at one source; each of its methods opens the file anew."""

    def __init__(
        self,
        source: Source,
        video: VideoDescription,
        settings: RenderSettings,
        looked: Callable[[int, int], None],
    ) -> None:
        self._source, self._video, self._settings, self._looked = source, video, settings, looked

    def at(self, requests: Sequence[FlowRequest], samples_ms: Sequence[int]) -> Observations:
        """Return what is seen where `requests` lead; the frames at `samples_ms` are always decoded.

        The detector's own samples need not be told: it sees only frames that others refer to.
        """
        notes = _Notes()
        with self._frames(samples_ms) as (frames, mapping):
            for stretch in _stretches(requests, _JUMP_MS):
                notes.take(frames, stretch, mapping)
        return notes.observations(requests)

    def for_faces(self, graph: TrackletGraph) -> TrackletGraph:
        """Return the layout of the faces that the container's own detector finds, now and then.

        It looks through all of the video, or what counts for the section of `graph`.
        """
        detector = FaceDetector(DetectorSettings(threshold=self._settings.refine_confidence / _PERCENT))
        interval_ms = round(self._settings.refine_interval_ms * _WAIT)
        empty = replace(TrackletGraph.of([], self._settings.tracks, interval_ms), section=graph.section)
        reach = graph.searched, empty.searched.wider(_ASSOCIATION_MS)
        begin_ms, end_ms = min(one.start_ms for one in reach), max(one.end_ms for one in reach)
        with self._frames([]) as (frames, mapping):
            frames.skip = Skip.UNREFERENCED
            found = [
                Detection(round(time_ms), mapping.orientation.to_displayed(face.box), face.confidence)
                for time_ms, picture in frames.in_colour(self._settings.refine_interval_ms, begin_ms, end_ms)
                for face in detector.detect(picture)
            ]
        return replace(TrackletGraph.of(found, self._settings.tracks, interval_ms), section=graph.section)

    @contextmanager
    def _frames(self, samples_ms: Sequence[int]) -> Iterator[tuple[ProxyFrames, FrameMapping]]:
        limits, threads = self._settings.limits, self._settings.decoder_threads
        with first_frame(self._source, limits) as (first, stream):
            mapping = FrameMapping.of(first, stream, self._video)
        with open_source(self._source, limits) as container:
            stream = video_stream(container)
            open_decoder(container, stream, threads, limits)
            yield (
                ProxyFrames(container, stream, mapping.clock, samples_ms, self._looked, mapping.size),
                mapping,
            )


@dataclass(frozen=True)
class _Notes:
    """What was seen so far."""

    paths: list[tuple[FlowRequest, Trajectory]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    glitches: list[Glitch] = field(default_factory=list)

    def take(self, frames: ProxyFrames, requests: Sequence[FlowRequest], mapping: FrameMapping) -> None:
        """Look at the frames that `requests` lead through: a thread decodes while faces are followed."""
        scheduler, breaks = FlowScheduler(requests, mapping.orientation), GlitchDetector()
        begin_ms = _warm(min(request.begin_ms for request in requests) - NEAR_MS)
        end_ms = max(request.end_ms for request in requests) + NEAR_MS + GLITCH_MAX_MS
        with closing(read_ahead(_watched(frames, begin_ms, end_ms), _AHEAD)) as watched:
            for proxy, cut in watched:
                self.paths.extend(scheduler.see(proxy))
                self.cuts.extend([cut] if cut else [])
                self.glitches.extend(breaks.see(proxy.picture, proxy.time_ms, begins_shot=cut is not None))
        self.paths.extend(scheduler.finish())
        self.glitches.extend(breaks.finish() if frames.has_ended else [])

    def observations(self, requests: Sequence[FlowRequest]) -> Observations:
        """Return what was seen, with the cuts that no glitch makes, and those glitches that make some."""
        return Observations(self.paths, *without_glitches(_near(requests, self.cuts), self.glitches))


def _watched(
    frames: ProxyFrames, begin_ms: float, end_ms: float
) -> Generator[tuple[ProxyFrame, Cut | None], None, None]:
    """Yield each moment with the cut before it, if there is one; chooses what is left out after it."""
    finder = ShotBoundaryDetector()
    frames.skip = Skip.NOTHING
    before: ProxyFrame | None = None
    for proxy in frames.between(begin_ms, end_ms):
        begins_shot, cut = finder.begins_shot(proxy.picture, proxy.time_ms), None
        if before is not None:
            elapsed_ms = proxy.time_ms - before.time_ms
            begins_cell = cell_of(proxy.time_ms) > cell_of(before.time_ms)
            frames.skip = Skip.NOTHING if begins_cell else _skip(elapsed_ms, finder.change)
            if begins_shot and elapsed_ms >= _APART_MS:
                cut = Cut(math.ceil(before.time_ms), math.floor(proxy.time_ms))
        yield proxy, cut
        before = proxy


def _skip(elapsed_ms: float, change: float) -> Skip:
    """Return what can be left out after a picture that differs by `change` from one `elapsed_ms` before."""
    is_lively = change > _CALM * elapsed_ms or elapsed_ms > NEAR_MS
    return Skip.NOTHING if is_lively else Skip.UNREFERENCED


def _warm(begin_ms: float) -> float:
    """Return when to begin, so that at a moment the same is seen and known as with any earlier beginning."""
    return float(math.floor((begin_ms - _WARM_UP_MS) / CELL_MS) * CELL_MS)


def _near(requests: Sequence[FlowRequest], cuts: Iterable[Cut]) -> Iterator[Cut]:
    """Yield the cuts near chases: what else is seen depends on what is looked at far away."""
    spans = [
        (
            min(request.begin_ms for request in ones) - NEAR_MS,
            max(request.end_ms for request in ones) + NEAR_MS,
        )
        for ones in _stretches(requests, 2 * NEAR_MS)
    ]
    for cut in cuts:
        before = bisect_right(spans, (cut.before_ms, math.inf)) - 1
        if before >= 0 and cut.after_ms <= spans[before][1]:
            yield cut


def _stretches(requests: Sequence[FlowRequest], jump_ms: float) -> Iterator[list[FlowRequest]]:
    """Yield chases in groups, each with no long gap in time."""
    stretch: list[FlowRequest] = []
    end_ms = -math.inf
    for request in sorted(requests, key=_begin):
        if stretch and request.begin_ms > end_ms + jump_ms:
            yield stretch
            stretch = []
        stretch.append(request)
        end_ms = max(end_ms, request.end_ms)
    if stretch:
        yield stretch


def _begin(request: FlowRequest) -> float:
    return request.begin_ms
