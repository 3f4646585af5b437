"""A segment: one stretch of a video, rendered by itself; sound and all else is left to who joins them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from blur_container.canvas import Canvas, Subject, first_frame
from blur_container.companions import NOTHING_BESIDE, Written
from blur_container.frames import read_ahead
from blur_container.output import open_output
from blur_container.redact import FRAMES_AHEAD, Progress, nothing_partial
from blur_container.settings import RenderSettings
from blur_container.smart import CopiedPackets
from blur_container.span import Span
from blur_container.tracks import Tracks
from blur_container.video import (
    Source,
    decoded_frames,
    open_source,
    presentation_time,
    read_only,
    video_stream,
)
from chalicelib.contract.errors import DamagedVideo


@dataclass(frozen=True)
class SegmentReport:
    """What was rendered of a segment, and what its verification must find again."""

    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    beside: Written = NOTHING_BESIDE
    copied: CopiedPackets | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Segment:
    """A stretch of the video at `source`, and the tracks that cover its faces."""

    source: Source
    span: Span
    subject: Subject
    tracks: Tracks
    settings: RenderSettings

    def render(self, target: Path, progress: Callable[[Progress], None]) -> SegmentReport:
        """Write the frames of the segment to `target`; on an error no target is left behind."""
        with first_frame(self.source, self.settings) as (first, stream):
            canvas = Canvas.of(first, stream, self.subject, self.tracks, self.settings)
        drawn = _Drawn(self, canvas)
        with (
            nothing_partial(target),
            closing(read_ahead(drawn.frames(), FRAMES_AHEAD)) as frames,
            open_output(target, canvas.looks, None, self.settings) as output,
        ):
            for count, frame in enumerate(frames, start=1):
                output.write(frame)
                progress(Progress(count, 0))
            output.finish()
        return SegmentReport(
            time_base=canvas.looks.time_base,
            pts=drawn.pts,
            end_pts=drawn.end_pts,
            frames_with_faces=canvas.brush.frames_with_faces,
        )


class _Drawn:
    """The frames of a segment, drawn, and their times."""

    def __init__(self, segment: Segment, canvas: Canvas) -> None:
        self._segment, self._canvas = segment, canvas
        self.pts: array[int] = array("q")
        self.end_pts = segment.span.start_pts

    def frames(self) -> Generator[VideoFrame, None, None]:
        segment, settings = self._segment, self._segment.settings
        with open_source(segment.source, settings.limits) as container:
            stream = video_stream(container)
            read_only(container, [stream])
            threads, limits = settings.decoder_threads, settings.limits
            with closing(decoded_frames(container, stream, threads, limits, segment.span)) as decoded:
                for frame in decoded:
                    self.pts.append(presentation_time(frame))
                    self.end_pts = self.pts[-1] + frame.duration
                    yield self._canvas.brush.draw(frame)
        if self.pts[0] != segment.span.start_pts:
            raise DamagedVideo(f"the segment begins at pts {self.pts[0]}, not at {segment.span.start_pts}")
