"""Plan the segments of a video from its sample table and the times of its faces."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from av.container import InputContainer
from av.video.stream import VideoStream

from blur_container.analysis.time_origins import TimeOrigins, require_detections_within, time_origins_of
from blur_container.reading.avi import has_frame_times
from blur_container.reading.sample_table import SampleTable, SplitPoint, split_point_at
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange, presentation_time, time_base
from blur_container.reading.video import first_frame, open_source, read_only, video_stream
from blur_container.segments.plan import Plan
from blur_container.segments.renderer_version import RendererVersion
from blur_container.segments.split import Costs, segment_count, segment_starts
from blur_container.settings import CuttingSettings, RenderSettings
from blur_container.timing import Clock
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionMode

# Shares of the time to render a frame: for the low-resolution pass, and for copying it unchanged.
_TRACKING_SHARE = 0.3
_COPY_SHARE = 0.03
_DETECTION_SHARE = 0.5
# The number of keyframes to try if no segment can begin with the first one.
_TRIES = 8
# Frames that are shown before the first keyframe, and cannot be decoded, are among the next so many packets.
_EARLY_MAX = 64


@dataclass(frozen=True)
class Planner:
    """Plans one source; `read_bytes` returns the number of its bytes that were read so far.

    `margin_ms` is the time before and after a segment in which its faces are followed.
    """

    source: Source
    size_bytes: int
    read_bytes: Callable[[], int]
    faces: FacesDocument
    margin_ms: float
    render: RenderSettings
    cutting: CuttingSettings
    code_version: str

    def plan(self) -> Plan | None:
        """Return the plan, or None if the video is rendered in one piece.

        Raise the error of a video that cannot be rendered, as far as its first frame and index show it.
        """
        with open_source(self.source, self.render.limits) as container:
            if not has_frame_times(container):
                return None
        with first_frame(self.source, self.render.limits) as (frame, stream):
            clock = Clock(presentation_time(frame), time_base(stream))
            pixels = frame.width * frame.height
            origins = time_origins_of(stream, clock, self.faces, self.render)
        with open_source(self.source, self.render.limits) as container:
            stream = video_stream(container)
            read_only(container, [stream])
            index = SampleTable.of(stream)
            if index is None:
                return None
            duration_ms = max(math.ceil(clock.ms(index.end_dts)), 0)
            require_detections_within(self.faces, origins, duration_ms, self.render)
            work = list(self._work_s(index, clock, pixels, origins))
            followed_share = min(2 * self.margin_ms / max(float(clock.ms(index.end_dts)), 1.0), 1.0)
            extra_bytes = self.read_bytes() + followed_share * self.size_bytes
            count = segment_count(Costs(sum(work), self.size_bytes, extra_bytes), self.cutting)
            split_points = list(_split_points(container, stream, index, segment_starts(work, count)))
            if len(split_points) == 1:
                return None
            early = _early_frames(container, stream, clock.first_pts)
            spans = tuple(_ranges(split_points, clock.first_pts))
            renderer = RendererVersion.of(self.code_version, self.render)
            return Plan(
                self.faces.source_id,
                self.faces.video,
                index.frames - early,
                clock,
                duration_ms,
                spans,
                renderer,
                origins,
            )

    def _work_s(self, index: SampleTable, clock: Clock, pixels: int, origins: TimeOrigins) -> Iterator[float]:
        """Yield the seconds that one function would need to render each GOP."""
        offsets, faces = origins.offsets_ms, self.faces.detections
        times_ms = sorted(face.time_ms - offset for face in faces for offset in offsets)
        ends = [*(group.dts for group in index.groups[1:]), index.end_dts]
        for group, end_dts in zip(index.groups, ends, strict=True):
            begin_ms, end_ms = (float(clock.ms(dts)) for dts in (group.dts, end_dts))
            first = bisect_left(times_ms, begin_ms - self.margin_ms)
            # The container's detector searches all frames; the faces that it finds are not known yet.
            has_faces = self.render.detection_mode is not DetectionMode.REKOGNITION or (
                first < len(times_ms) and times_ms[first] <= end_ms + self.margin_ms
            )
            render = _COPY_SHARE if self.render.smart_render and not has_faces else 1.0
            tracking = _TRACKING_SHARE if self.render.follow_faces and has_faces else 0.0
            detecting = 0.0 if self.render.detection_mode is DetectionMode.REKOGNITION else _DETECTION_SHARE
            yield group.frames * pixels / self.cutting.pixels_per_s * (render + tracking + detecting)


def _split_points(
    container: InputContainer, stream: VideoStream, index: SampleTable, wanted: Sequence[int]
) -> Iterator[SplitPoint]:
    """Yield the split point that each segment begins at: a `wanted` GOP or one of the next few."""
    stream.codec_context.options = {"err_detect": "explode"}
    # No frame is shown before its dts: every packet of the first GOP is decoded.
    yield SplitPoint(index.groups[0].dts, index.groups[0].dts, is_closed=True)
    used = 0
    for number, stop in pairwise([*wanted[1:], len(index.groups)]):
        for group in range(max(number, used + 1), min(number + _TRIES, stop)):
            split_point = split_point_at(container, stream, index.groups, group)
            if split_point is not None:
                used = group
                yield split_point
                break


def _ranges(split_points: Sequence[SplitPoint], first_pts: int) -> Iterator[DecodeRange]:
    """Yield the range of each segment, from its split point to the next one."""
    starts = [first_pts, *(split_point.pts for split_point in split_points[1:])]
    stops = [
        (split_point.pts, split_point.dts if split_point.is_closed else None)
        for split_point in split_points[1:]
    ]
    for split_point, start_pts, (end_pts, stop_dts) in zip(
        split_points, starts, [*stops, (None, None)], strict=True
    ):
        yield DecodeRange(
            split_point.pts, split_point.dts, start_pts, end_pts, stop_dts, open=not split_point.is_closed
        )


def _early_frames(container: InputContainer, stream: VideoStream, first_pts: int) -> int:
    """Return the number of frames before the first that can be decoded; their GOP has no keyframe."""
    container.seek(first_pts, stream=stream)
    head = islice((packet for packet in container.demux(stream) if packet.size), _EARLY_MAX)
    return sum(packet.pts is not None and packet.pts < first_pts and not packet.is_discard for packet in head)
