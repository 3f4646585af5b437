"""Face sampling: the container's own detections of a video, at an interval and at each cut."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from blur_container.analysis.face_search import FaceSearch
from blur_container.analysis.opened_video import OpenedVideo, ProgressCall, open_video
from blur_container.analysis.proxy_frames import CELL_MS, Skip, cell_of
from blur_container.analysis.shot_detection import MEMORY_MS, ShotBoundaryDetector
from blur_container.geometry import Picture
from blur_container.reading.prefetch import read_ahead
from blur_container.reading.source import Source
from blur_container.settings import DetectionSettings, RenderSettings
from blur_container.timing import WHOLE, Section
from blur_container.tracking.tracklets import TrackletGraph
from chalicelib.contract.faces import Detection, VideoDescription

# A turned face is looked for once a second. What only resembles one is covered as long as it is followed.
_TURNED_OPEN_INTERVALS, _TURNED_FOLLOW_INTERVALS = 1.7, 1.0
# Faces are associated so many intervals earlier than a section needs them: by then tracklets are those of
# the whole.
_ASSOCIATION_INTERVALS = 4
# Pictures that are decoded ahead of the detector.
_AHEAD = 2


@dataclass(frozen=True)
class FoundFaces:
    """The detections of a video, or of the part that matters for a section of it, as tracklet graphs.

    Turned faces are looked for more rarely, so they have a graph with an interval of their own.
    """

    upright: TrackletGraph
    turned: TrackletGraph

    @property
    def graphs(self) -> tuple[TrackletGraph, TrackletGraph]:
        """Return both graphs."""
        return self.upright, self.turned


def detect_faces(
    source: Source,
    video: VideoDescription,
    settings: RenderSettings,
    section: Section = WHOLE,
    progress: ProgressCall = lambda _done, _all: None,
) -> FoundFaces:
    """Return the faces that the container's own detector finds in the video at `source`.

    Boxes refer to the frame as `video` describes it. Detections that matter for the masks in `section` are
    those of the whole video. Raise DamagedVideo if a frame cannot be decoded, ModelDamaged without a model.
    """
    search = FaceSearch(settings.detection)
    with open_video(source, video, settings, progress) as opened:
        upright, turned = _empty_graphs(opened, settings, section)
        sampler = _Sampler(opened, settings.detection, _reach(upright), _reach(turned))
        found = list(_searched(sampler, search))
    return FoundFaces(
        _filled(upright, (face for faces, _ in found for face in faces)),
        _filled(turned, (face for _, faces in found for face in faces)),
    )


def _empty_graphs(
    opened: OpenedVideo, settings: RenderSettings, section: Section
) -> tuple[TrackletGraph, TrackletGraph]:
    tracks, detection = settings.tracks, settings.detection
    of_turned = replace(
        tracks, open_intervals=_TURNED_OPEN_INTERVALS, follow_intervals=_TURNED_FOLLOW_INTERVALS
    )
    # The first frame of an interval is sampled, so two samples can be a frame farther apart.
    slack_ms = min(opened.frame_ms(), tracks.longest_interval_ms)
    upright = TrackletGraph.of([], tracks, detection.interval_ms + slack_ms)
    turned = TrackletGraph.of([], of_turned, detection.turned_interval_ms + slack_ms)
    return replace(upright, section=section), replace(turned, section=section)


def _reach(graph: TrackletGraph) -> Section:
    """Return the section whose detections matter for that of `graph`."""
    return graph.searched.wider(_ASSOCIATION_INTERVALS * graph.interval_ms)


def _filled(graph: TrackletGraph, detections: Iterable[Detection]) -> TrackletGraph:
    found = TrackletGraph.of(detections, graph.settings, graph.interval_ms)
    return replace(found, section=graph.section)


def _searched(
    sampler: _Sampler, search: FaceSearch
) -> Iterator[tuple[tuple[Detection, ...], tuple[Detection, ...]]]:
    """Yield the upright and the turned faces of each frame that is searched, in the order of time."""
    with closing(read_ahead(sampler.samples(), _AHEAD)) as decoded:
        for sample in decoded:
            found = search.search(sample.picture, with_turned=sample.with_turned)
            # Outside of its own section an upright face would be a sample of the turned ones' interval.
            upright, turned = (
                tuple(
                    Detection(round(sample.time_ms), sampler.opened.mapped(face.box), face.confidence)
                    for face in faces
                    if section.holds(sample.time_ms)
                )
                for faces, section in ((found.upright, sampler.upright), (found.turned, sampler.turned))
            )
            yield upright, turned


@dataclass(frozen=True)
class _Sample:
    """A frame to be searched: its time in ms, RGB (height, width, 3) as displayed."""

    time_ms: float
    picture: Picture
    with_turned: bool


@dataclass(frozen=True)
class _Sampler:
    """Chooses the frames that are searched, in one section for upright faces, in another for turned ones.

    They are the first frame in each interval and the first one after a cut; the same frames wherever a
    section begins.
    """

    opened: OpenedVideo
    settings: DetectionSettings
    upright: Section
    turned: Section

    def samples(self) -> Generator[_Sample, None, None]:
        """Yield the frames that are searched."""
        shots, reformatter = ShotBoundaryDetector(), VideoReformatter()
        upright, turned = _Schedule(self.settings.interval_ms), _Schedule(self.settings.turned_interval_ms)
        width, height = self.opened.analysed_size(self.settings.long_side)
        begin_ms = min(self.upright.start_ms, self.turned.start_ms)
        end_ms = max(self.upright.end_ms, self.turned.end_ms)
        frames = self.opened.frames
        frames.skip = Skip.UNREFERENCED
        for proxy, frame in frames.with_frames(_warm_up_begin_ms(begin_ms), end_ms):
            begins_shot = shots.begins_shot(proxy.picture, proxy.time_ms)
            # Both are asked about every frame.
            is_due = upright.is_due(proxy.time_ms, begins_shot=begins_shot)
            is_turned_due = turned.is_due(proxy.time_ms, begins_shot=begins_shot)
            with_turned = is_turned_due and self.turned.holds(proxy.time_ms)
            if with_turned or (is_due and self.upright.holds(proxy.time_ms)):
                picture = _rgb(frame, width, height, reformatter)
                yield _Sample(proxy.time_ms, self.opened.display.turned(picture), with_turned)


class _Schedule:
    """Says which frames are due: in each interval the first one, and the first one after a cut.

    Not more: in flicker every frame begins a shot.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._interval = self._interval_of_cut = -1

    def is_due(self, time_ms: float, *, begins_shot: bool) -> bool:
        """Return whether the next frame, shown at `time_ms`, is due."""
        interval = cell_of(time_ms, self._interval_ms)
        if interval > self._interval:
            self._interval = interval
            return True
        if begins_shot and interval > self._interval_of_cut:
            self._interval_of_cut = interval
            return True
        return False


def _warm_up_begin_ms(begin_ms: float) -> float:
    """Return a time before `begin_ms` from which on the cuts after it are found, at the start of a cell."""
    earlier_ms = max(begin_ms - 2 * MEMORY_MS, 0.0)
    return float(math.floor(earlier_ms / CELL_MS) * CELL_MS)


def _rgb(frame: VideoFrame, width: int, height: int, reformatter: VideoReformatter) -> Picture:
    """Return a frame scaled to a size, uint8 (height, width, 3) in the order R, G, B."""
    scaling = Interpolation.AREA if frame.width > width else Interpolation.BICUBIC
    scaled = reformatter.reformat(frame, width, height, "rgb24", interpolation=scaling, threads=1)
    return np.asarray(scaled.to_ndarray(), np.uint8)
