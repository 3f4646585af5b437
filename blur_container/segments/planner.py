"""Planning: a video's segments, from its container's index and from where its faces are."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from av.container import InputContainer
from av.video.stream import VideoStream

from blur_container.analysis.time_origins import TimeOrigins, require_met, time_origins_of
from blur_container.reading.avi import has_frame_times
from blur_container.reading.sample_table import Group, SampleTable, SplitPoint, split_point_at
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange, presentation_time, time_base
from blur_container.reading.video import first_frame, open_source, read_only, video_stream
from blur_container.segments.plan import Plan
from blur_container.segments.renderer_version import RendererVersion
from blur_container.segments.split import Costs, segment_count, segment_starts
from blur_container.settings import CuttingSettings, RenderSettings
from blur_container.timing import Clock
from chalicelib.contract.faces import FacesDocument

# Of the time a frame takes to render: what looking at it beforehand takes, and copying it unchanged.
_TRACKING_SHARE = 0.3
_COPY_SHARE = 0.03
# Neighbours of a keyframe that are tried where no segment can begin with it.
_TRIES = 8
# Frames that are shown before the first keyframe, and cannot be decoded, follow it at once.
_EARLY_MAX = 64


@dataclass(frozen=True)
class Planner:
    """Plans one source; `read_bytes` tells how many bytes of it were read so far."""

    source: Source
    size_bytes: int
    read_bytes: Callable[[], int]
    faces: FacesDocument
    # How long before and after a segment its faces are looked at.
    margin_ms: float
    render: RenderSettings
    cutting: CuttingSettings
    code_version: str

    def plan(self) -> Plan | None:
        """Return the plan, or None where the video stays in one piece.

        Raise what cannot be rendered in any number of pieces, as far as the first frame and the index tell.
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
            require_met(self.faces, origins, duration_ms, self.render)
            work = list(self._work_s(index, clock, pixels, origins))
            count = segment_count(self._costs(work, index, clock), self.cutting)
            borders = list(_borders(container, stream, index, segment_starts(work, count)))
            if len(borders) == 1:
                return None
            early = _early_frames(container, stream, clock.first_pts)
            spans = tuple(_spans(borders, clock.first_pts))
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
        """Yield how long one function would render each group for, in seconds."""
        offsets, faces = origins.offsets_ms, self.faces.detections
        times_ms = sorted(face.time_ms - offset for face in faces for offset in offsets)
        for group, end_dts in _with_ends(index):
            begin_ms, end_ms = (float(clock.ms(dts)) for dts in (group.dts, end_dts))
            first = bisect_left(times_ms, begin_ms - self.margin_ms)
            has_faces = first < len(times_ms) and times_ms[first] <= end_ms + self.margin_ms
            render = _COPY_SHARE if self.render.smart_render and not has_faces else 1.0
            tracking = _TRACKING_SHARE if self.render.follow_faces and has_faces else 0.0
            yield group.frames * pixels / self.cutting.pixels_per_s * (render + tracking)

    def _costs(self, work: Sequence[float], index: SampleTable, clock: Clock) -> Costs:
        duration_ms = max(float(clock.ms(index.end_dts)), 1.0)
        looked_share = min(2 * self.margin_ms / duration_ms, 1.0)
        return Costs(sum(work), self.size_bytes, self.read_bytes() + looked_share * self.size_bytes)


def _with_ends(index: SampleTable) -> Iterator[tuple[Group, int]]:
    ends = [*(group.dts for group in index.groups[1:]), index.end_dts]
    return zip(index.groups, ends, strict=True)


def _borders(
    container: InputContainer, stream: VideoStream, index: SampleTable, wanted: Sequence[int]
) -> Iterator[SplitPoint]:
    """Yield the border that each segment begins at, on the `wanted` groups or soon after them."""
    stream.codec_context.options = {"err_detect": "explode"}
    # Nothing is shown before its dts: of the first group every packet is decoded.
    yield SplitPoint(index.groups[0].dts, index.groups[0].dts, is_closed=True)
    used = 0
    for number, stop in pairwise([*wanted[1:], len(index.groups)]):
        for group in range(max(number, used + 1), min(number + _TRIES, stop)):
            split_point = split_point_at(container, stream, index.groups, group)
            if split_point is not None:
                used = group
                yield split_point
                break


def _spans(borders: Sequence[SplitPoint], first_pts: int) -> Iterator[DecodeRange]:
    starts = [first_pts, *(split_point.pts for split_point in borders[1:])]
    stops = [
        (split_point.pts, split_point.dts if split_point.is_closed else None) for split_point in borders[1:]
    ]
    for split_point, start_pts, (end_pts, stop_dts) in zip(
        borders, starts, [*stops, (None, None)], strict=True
    ):
        yield DecodeRange(
            split_point.pts, split_point.dts, start_pts, end_pts, stop_dts, open=not split_point.is_closed
        )


def _early_frames(container: InputContainer, stream: VideoStream, first_pts: int) -> int:
    """Return how many frames are shown before the first that can be decoded: their group is cut off."""
    container.seek(first_pts, stream=stream)
    head = islice((packet for packet in container.demux(stream) if packet.size), _EARLY_MAX)
    return sum(packet.pts is not None and packet.pts < first_pts and not packet.is_discard for packet in head)
