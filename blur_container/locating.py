"""Locating: a first look at the frames around detections, at low resolution, before anything is drawn."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path as FilePath

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.cuts import CutFinder
from blur_container.following import Boxes, Picture, follow
from blur_container.layout import Layout
from blur_container.lens import Lens
from blur_container.settings import RenderSettings
from blur_container.sightings import Cut, Sightings
from blur_container.tracks import Tracks
from blur_container.video import open_source, presentation_time, read_only, time_base, video_stream
from blur_container.ways import LOST, Chase, Fix, Path
from chalicelib.contract.errors import DamagedVideo
from chalicelib.contract.faces import Box, FacesDocument

_LONG_SIDE_PX = 640
# A gap longer than this between two looks is jumped over.
_JUMP_MS = 2000


def locate(source: FilePath, faces: FacesDocument, settings: RenderSettings) -> Tracks:
    """Return the tracks of `faces` in the video at `source`, followed from frame to frame."""
    trusted = [face for face in faces.detections if face.confidence >= settings.min_confidence]
    layout = Layout.of(trusted, settings.tracks)
    chases = list(layout.chases()) if settings.follow_faces else []
    if not chases:
        return Tracks(layout)
    seen = _Look(source, faces, settings).at(chases)
    return Tracks(layout, seen)


@dataclass(frozen=True)
class _Moment:
    time_ms: float
    picture: Picture


class _Look:
    """One look at the frames that chases lead through."""

    def __init__(self, source: FilePath, faces: FacesDocument, settings: RenderSettings) -> None:
        self._source, self._faces, self._settings = source, faces, settings
        self._sampled = sorted({face.time_ms for face in faces.detections})

    def at(self, chases: Sequence[Chase]) -> Sightings:
        paths: list[tuple[Chase, Path]] = []
        cuts: list[Cut] = []
        with open_source(self._source, self._settings.limits) as container:
            stream = video_stream(container)
            read_only(container, [stream])
            frames = _Frames(container, stream, self._faces, self._settings, self._sampled)
            for begin_ms, end_ms, group in _spans(chases):
                window = _Window(group, frames.lens)
                finder = CutFinder()
                before: _Moment | None = None
                for moment in frames.between(begin_ms, end_ms):
                    if finder.begins_shot(moment.picture) and before:
                        cuts.append(Cut(math.ceil(before.time_ms), math.floor(moment.time_ms)))
                    if before:
                        frames.calm = finder.change / (moment.time_ms - before.time_ms) <= 0.03
                    before = moment
                    paths += window.add(moment)
                paths += window.rest()
        return Sightings(paths, cuts)


class _Frames:
    """The reduced pictures of a video between two moments."""

    def __init__(self, container, stream: VideoStream, faces, settings, sampled) -> None:
        self._container, self._stream, self._sampled = container, stream, sampled
        context = stream.codec_context
        context.thread_type, context.thread_count = "AUTO", settings.decoder_threads
        context.options = {"skip_loop_filter": "all", **settings.limits.decoder_options()}
        first = next(self._decoded())
        self.lens = Lens.of(first, time_base(stream), faces.video)
        long_side = max(first.width, first.height)
        self._scale = min(1.0, _LONG_SIDE_PX / long_side)
        self._skips = (stream.average_rate or 0) >= 24
        self.calm = False

    def between(self, begin_ms: float, end_ms: float) -> Iterator[_Moment]:
        clock = self.lens.clock
        self._container.seek(max(clock.pts(begin_ms), clock.first_pts), stream=self._stream)
        for frame in self._decoded():
            time_ms = float(clock.ms(presentation_time(frame)))
            if time_ms > end_ms:
                return
            if time_ms >= begin_ms:
                yield _Moment(time_ms, self._picture(frame))

    def _decoded(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                if hasattr(self, "lens") and packet.pts is not None:
                    self._stream.codec_context.skip_frame = "DEFAULT" if not (self._skips and self.calm) or self._is_sampled(packet.pts) else "NONREF"
                yield from packet.decode()
        except av.FFmpegError as error:
            raise DamagedVideo(f"a frame cannot be decoded: {error.strerror}") from error

    def _is_sampled(self, pts: int) -> bool:
        from bisect import bisect_left
        ms = float(self.lens.clock.ms(pts))
        i = bisect_left(self._sampled, ms - 20)
        return i < len(self._sampled) and self._sampled[i] <= ms + 20

    def _picture(self, frame: VideoFrame) -> Picture:
        plane = frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        size = max(1, round(plane.width * self._scale)), max(1, round(plane.height * self._scale))
        return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


class _Window:
    """The moments that some chase may still need, and the chases that are not over."""

    def __init__(self, chases: Iterable[Chase], lens: Lens) -> None:
        self._lens = lens
        self._waiting = deque(sorted(chases, key=lambda c: (c.end_ms, c.begin_ms)))
        self._moments: deque[_Moment] = deque()
        n = len(self._waiting)
        lows = [math.inf] * (n + 1)
        for i in range(n - 1, -1, -1):
            lows[i] = min(lows[i + 1], self._waiting[i].begin_ms)
        self._needed = deque(lows)

    def add(self, moment: _Moment) -> Iterator[tuple[Chase, Path]]:
        self._moments.append(moment)
        # The frame of a detection may be shown up to a millisecond after its time
        yield from self._over(moment.time_ms - 2)
        oldest = self._needed[0] - 50
        while len(self._moments) and self._moments[0].time_ms < oldest:
            self._moments.popleft()

    def rest(self) -> Iterator[tuple[Chase, Path]]:
        yield from self._over(math.inf)

    def _over(self, until_ms: float) -> Iterator[tuple[Chase, Path]]:
        done = []
        while self._waiting and self._waiting[0].end_ms <= until_ms:
            done.append(self._waiting.popleft())
            self._needed.popleft()
        for (_, _, backward), group in groupby(sorted(done, key=_way), key=_way):
            yield from self._follow(list(group), backward)

    def _follow(self, chases: list[Chase], backward: bool) -> Iterator[tuple[Chase, Path]]:
        begin_ms, end_ms = chases[0].begin_ms, chases[0].end_ms
        start_ms = chases[0].start.time_ms
        moments = list(self._moments)
        if not moments:
            yield from ((chase, LOST) for chase in chases)
            return
        nearest = min(range(len(moments)), key=lambda i: abs(moments[i].time_ms - start_ms - 0.5))
        if backward:
            route = [m for m in moments[: nearest + 1] if m.time_ms >= begin_ms - 1][::-1]
        else:
            route = [m for m in moments[nearest:] if m.time_ms <= end_ms + 1.5]
        if len(route) < 2 or abs(moments[nearest].time_ms - start_ms) > 45:
            yield from ((chase, LOST) for chase in chases)
            return
        height, width = moments[0].picture.shape
        lens = self._lens
        boxes = np.array([_px(lens.orientation.to_coded(c.start.box), width, height) for c in chases], np.float32)
        step_ms = route[1].time_ms - route[0].time_ms
        speeds = np.array([_speed(lens, c, width, height, step_ms) for c in chases], np.float32)
        fixes: list[list[Fix]] = [[] for _ in chases]
        for moment, there in zip(route[1:], follow([m.picture for m in route], boxes, speeds)):
            for index, box in enumerate(there):
                if not np.isnan(box[0]):
                    fixes[index].append(Fix(moment.time_ms, lens.orientation.to_displayed(_fraction(box, width, height))))
        for chase, found in zip(chases, fixes):
            yield chase, Path(tuple(found))


def _way(chase: Chase):
    return chase.start.time_ms, chase.until_ms, chase.until_ms < chase.start.time_ms


def _speed(lens: Lens, chase: Chase, width, height, step_ms):
    v = lens.orientation.to_coded(Box(0.5 + chase.speed[0], 0.5 + chase.speed[1], 0, 0))
    return (v.left - 0.5) * width * step_ms, (v.top - 0.5) * height * step_ms


def _px(box: Box, width: int, height: int):
    return box.left * width, box.top * height, box.right * width, box.bottom * height


def _fraction(box, width: int, height: int) -> Box:
    left, top, right, bottom = (float(v) for v in box)
    return Box(left / width, top / height, (right - left) / width, (bottom - top) / height)


def _spans(chases: Sequence[Chase]) -> Iterator[tuple[float, float, list[Chase]]]:
    """Yield stretches of time that are looked at as a whole, each with the chases in it."""
    group: list[Chase] = []
    end_ms = -math.inf
    for chase in sorted(chases, key=lambda c: c.begin_ms):
        if group and chase.begin_ms > end_ms + _JUMP_MS:
            yield group[0].begin_ms - 50, end_ms + 50, group
            group = []
            end_ms = -math.inf
        group.append(chase)
        end_ms = max(end_ms, chase.end_ms)
    if group:
        yield group[0].begin_ms - 50, end_ms + 50, group
