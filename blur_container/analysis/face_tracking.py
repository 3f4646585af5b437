"""Face tracking: the low-resolution pass over the frames around detections, before the video is rendered."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter

from blur_container.analysis.face_sampling import detect_faces
from blur_container.analysis.flow_scheduler import NEAR_MS, FlowScheduler
from blur_container.analysis.opened_video import ProgressCall, open_video
from blur_container.analysis.proxy_frames import CELL_MS, ProxyFrame, ProxyFrames, Skip, cell_of
from blur_container.analysis.shot_detection import GlitchDetector, ShotBoundaryDetector
from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.reading.prefetch import read_ahead
from blur_container.reading.source import Source
from blur_container.settings import RenderSettings
from blur_container.tracking.observations import GLITCH_MAX_MS, Cut, Glitch, Observations, without_glitches
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.trajectory import FlowRequest, Trajectory
from chalicelib.contract.faces import FacesDocument, VideoDescription
from chalicelib.contract.job import DetectionMode

# A longer gap between two flow requests is skipped by a seek: each stretch needs a warm-up and a tail.
_JUMP_MS = 2000 + 2 * GLITCH_MAX_MS
# Longer than changes are remembered, before the earliest picture that may begin a glitch: by then it is
# known which changes are cuts.
_WARM_UP_MS = 1000 + GLITCH_MAX_MS
# Proxy frames that are decoded ahead of the optical flow.
_AHEAD = 6
# Frames that are nearer can have equal whole milliseconds, and a cut between them would uncover both.
_APART_MS = 2
# Mean change of a 64x36 thumbnail per millisecond, in steps of luma, up to which referenced frames, about
# half of all, are enough.
_CALM = 0.03


def track_faces(
    source: Source,
    faces: FacesDocument,
    settings: RenderSettings,
    progress: ProgressCall = lambda _done, _all: None,
    origins: TimeOrigins = FROM_FIRST_FRAME,
) -> Tracks:
    """Return the tracks of `faces` in the video at `source`, each followed from frame to frame.

    If the times of `faces` have several possible origins, the tracks of all are united. Only frames near
    detections are decoded. `progress` is called with the number of frames passed and of all frames.
    Raise DamagedVideo if a frame cannot be decoded.
    """
    graph, *others = origins.tracklet_graphs(faces, settings)
    return track_faces_in(source, faces.video, graph, settings, progress, others)


def track_faces_in(
    source: Source,
    video: VideoDescription,
    graph: TrackletGraph,
    settings: RenderSettings,
    progress: ProgressCall = lambda _done, _all: None,
    others: Sequence[TrackletGraph] = (),
) -> Tracks:
    """Return the tracks of a tracklet graph, or of a window of it, as `track_faces` does for a whole video.

    `others` are the same graph at other time origins. In the section of a window the tracks have the boxes
    and names of the whole video's; faces from the container's own detector have the boxes, not the names.
    """
    graphs = [graph, *others]
    if settings.detection_mode is not DetectionMode.REKOGNITION:
        graphs += detect_faces(source, video, settings, graph.section, progress).graphs
    if not settings.follow_faces:
        return Tracks(graphs)
    requests = [request for one in graphs for request in one.requests()]
    # Not those of the container's own detector: with it, the frames that it samples are always decoded.
    samples_ms = sorted({time for one in (graph, *others) for time in one.times_ms()})
    if not requests:
        return Tracks(graphs)
    found = _Found()
    with open_video(source, video, settings, progress, samples_ms) as opened:
        for stretch in _stretches(requests, _JUMP_MS):
            found.add(opened.frames, stretch, opened.mapping)
    # Cuts within a glitch are dropped, and so are glitches without a cut.
    cuts, glitches = without_glitches(_near(requests, found.cuts), found.glitches)
    return Tracks(graphs, Observations(found.trajectories, cuts, glitches))


@dataclass(frozen=True)
class _Found:
    """The observations of the stretches so far."""

    trajectories: list[tuple[FlowRequest, Trajectory]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    glitches: list[Glitch] = field(default_factory=list)

    def add(self, frames: ProxyFrames, requests: Sequence[FlowRequest], mapping: FrameMapping) -> None:
        """Add the observations of one stretch: a thread decodes while faces are followed."""
        scheduler, glitches = FlowScheduler(requests, mapping.orientation), GlitchDetector()
        first_ms = min(request.begin_ms for request in requests) - NEAR_MS
        # At the start of a cell: then the same frames are decoded as with any earlier start.
        begin_ms = float(math.floor((first_ms - _WARM_UP_MS) / CELL_MS) * CELL_MS)
        end_ms = max(request.end_ms for request in requests) + NEAR_MS + GLITCH_MAX_MS
        with closing(read_ahead(_with_cuts(frames, begin_ms, end_ms), _AHEAD)) as decoded:
            for proxy, cut in decoded:
                self.trajectories.extend(scheduler.see(proxy))
                self.cuts.extend([cut] if cut else [])
                self.glitches.extend(glitches.see(proxy.picture, proxy.time_ms, begins_shot=cut is not None))
        self.trajectories.extend(scheduler.finish())
        self.glitches.extend(glitches.finish() if frames.has_ended else [])


def _with_cuts(
    frames: ProxyFrames, begin_ms: float, end_ms: float
) -> Generator[tuple[ProxyFrame, Cut | None], None, None]:
    """Yield each frame with the cut before it, if any; set which frames are skipped after it."""
    shots = ShotBoundaryDetector()
    frames.skip = Skip.NOTHING
    before: ProxyFrame | None = None
    for proxy in frames.between(begin_ms, end_ms):
        begins_shot, cut = shots.begins_shot(proxy.picture, proxy.time_ms), None
        if before is not None:
            elapsed_ms = proxy.time_ms - before.time_ms
            begins_cell = cell_of(proxy.time_ms) > cell_of(before.time_ms)
            is_lively = shots.change > _CALM * elapsed_ms or elapsed_ms > NEAR_MS
            frames.skip = Skip.NOTHING if begins_cell or is_lively else Skip.UNREFERENCED
            if begins_shot and elapsed_ms >= _APART_MS:
                cut = Cut(math.ceil(before.time_ms), math.floor(proxy.time_ms))
        yield proxy, cut
        before = proxy


def _near(requests: Sequence[FlowRequest], cuts: Iterable[Cut]) -> Iterator[Cut]:
    """Yield the cuts near flow requests: whether others are found depends on requests far away."""
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
    """Yield the requests in groups by time, with gaps of more than `jump_ms` between groups only."""
    stretch: list[FlowRequest] = []
    end_ms = -math.inf
    for request in sorted(requests, key=attrgetter("begin_ms")):
        if stretch and request.begin_ms > end_ms + jump_ms:
            yield stretch
            stretch = []
        stretch.append(request)
        end_ms = max(end_ms, request.end_ms)
    if stretch:
        yield stretch
