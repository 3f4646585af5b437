"""A segment: one stretch of a video, rendered by itself; sound and all else is left to who joins them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from av.video.frame import VideoFrame

from blur_container.avc import UnfitStream
from blur_container.canvas import Canvas, Subject, first_frame
from blur_container.companions import NOTHING_BESIDE, Written
from blur_container.frames import read_ahead
from blur_container.output import open_container, open_output
from blur_container.redact import FRAMES_AHEAD, Progress, nothing_partial
from blur_container.settings import RenderSettings
from blur_container.smart import Pieces, SplicedOutput
from blur_container.source import Source
from blur_container.span import Span
from blur_container.splice import CopiedPackets, Splice, plan_segment, splice_encoder
from blur_container.times import presentation_time
from blur_container.tracks import Tracks
from blur_container.video import decoded_frames, needed_packets, open_source, read_only, video_stream
from chalicelib.contract.errors import DamagedVideo


@dataclass(frozen=True)
class SegmentReport:
    """What was rendered of a segment, and what its verification must find again."""

    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    beside: Written = NOTHING_BESIDE
    # Packets that a smart render copied, and why it was not possible where it was asked for.
    copied: CopiedPackets | None = field(default=None, repr=False)
    fallback_reason: str | None = None

    @property
    def frames_copied(self) -> int:
        """Return how many frames a smart render copied."""
        return self.copied.digest.packets if self.copied else 0


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
        splice, reason = self._splice(canvas)
        if splice is None:
            return replace(self._encode(canvas, target, progress), fallback_reason=reason)
        return replace(self._mix(canvas, splice, reason is None, target, progress), fallback_reason=reason)

    def _splice(self, canvas: Canvas) -> tuple[Splice | None, str | None]:
        """Return what a smart render copies and encodes, None where it is not asked for or cannot be."""
        if not self.settings.smart_render:
            return None, None
        if canvas.looks.form.changes:
            return None, canvas.looks.form.changes[0]
        try:
            return plan_segment(self.source, canvas.looks, self.settings, canvas.brush.shows_face, self.span)
        except UnfitStream as reason:
            return None, str(reason)

    def _encode(self, canvas: Canvas, target: Path, progress: Callable[[Progress], None]) -> SegmentReport:
        """Encode every frame."""
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
        return self._report(canvas, drawn.pts, drawn.end_pts)

    def _mix(
        self,
        canvas: Canvas,
        splice: Splice,
        copies: bool,  # noqa: FBT001 tells two ways of reading apart
        target: Path,
        progress: Callable[[Progress], None],
    ) -> SegmentReport:
        """Write what `splice` says: copied packets and encoded frames in one track."""
        looks, settings = canvas.looks, self.settings
        with (
            nothing_partial(target),
            open_source(self.source, settings.limits) as source,
            open_container(target, looks.time_base, None) as container,
        ):
            stream = video_stream(source)
            read_only(source, [stream])
            encoder = partial(splice_encoder, splice, looks, settings)
            output = SplicedOutput(container, stream, None, splice, encoder)
            if copies:
                packets = needed_packets(source, stream, self.span)
                pieces = Pieces(stream, packets, splice, canvas.brush.draw, settings.decoder_threads)
                for count in pieces.write_to(output):
                    progress(Progress(count, len(splice.pts)))
            else:
                with closing(read_ahead(_Drawn(self, canvas).frames(), FRAMES_AHEAD)) as frames:
                    for count, frame in enumerate(frames, start=1):
                        output.encode(frame)
                        progress(Progress(count, len(splice.pts)))
                output.end_run()
            output.finish()
        report = self._report(canvas, splice.pts, splice.end_pts)
        return replace(report, copied=output.copied())

    def _report(self, canvas: Canvas, pts: array[int], end_pts: int) -> SegmentReport:
        return SegmentReport(canvas.looks.time_base, pts, end_pts, canvas.brush.frames_with_faces)


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
