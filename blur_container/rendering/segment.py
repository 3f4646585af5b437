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

from blur_container.reading.decode_checks import Tally
from blur_container.reading.frame_mapping import Subject
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange
from blur_container.reading.video import (
    coded_aspect,
    decoded_frames,
    first_frame,
    open_source,
    read_only,
    video_stream,
)
from blur_container.rendering.encode import Drawing, Rendering
from blur_container.rendering.frame_drawing import RenderSetup
from blur_container.rendering.progress import Progress
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import plan_segment
from blur_container.tracking.tracks import Tracks
from blur_container.writing.packet_digest import CopiedPackets
from blur_container.writing.remux import NOTHING_BESIDE, RemuxedStreams
from chalicelib.contract.errors import DamagedVideo


@dataclass(frozen=True)
class SegmentReport:
    """What was rendered of a segment, and what its verification must find again."""

    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    # What changed on the way and was made like the first frame of the video, in words.
    changes: tuple[str, ...]
    beside: RemuxedStreams = NOTHING_BESIDE
    # Packets that a smart render copied, and why it was not possible where it was asked for.
    copied: CopiedPackets | None = field(default=None, repr=False)
    fallback_reason: str | None = None
    # Frames that share their time with another.
    frames_merged: int = 0

    @property
    def frames_copied(self) -> int:
        """Return how many frames a smart render copied."""
        return self.copied.digest.packets if self.copied else 0


@dataclass(frozen=True)
class Segment:
    """A stretch of the video at `source`, and the tracks that cover its faces."""

    source: Source
    decode_range: DecodeRange
    subject: Subject
    tracks: Tracks
    settings: RenderSettings

    def render(self, target: Path, progress: Callable[[Progress], None]) -> SegmentReport:
        """Write the frames of the segment to `target`; on an error no target is left behind."""
        with first_frame(self.source, self.settings.limits) as (first, stream):
            setup = RenderSetup.of(first, stream, self.subject, self.tracks, self.settings)
            aspect = coded_aspect(stream)
        parameters, blurrer, settings, tally = setup.parameters, setup.blurrer, self.settings, Tally()
        rendering = Rendering(self.source, target, parameters, None, settings, progress)
        splice, reason = rendering.plan(
            partial(plan_segment, self.source, parameters, settings, blurrer.shows_face, self.decode_range)
        )
        if splice is None:
            drawing = Drawing(blurrer.draw)
            rendering.encode(self._drawn(drawing, tally, aspect), 0)
            report = self._report(setup, drawing.pts, drawing.end_pts, None, reason)
            return replace(report, frames_merged=tally.merged)
        if reason is None:
            _, copied = rendering.copy(splice, blurrer.draw, self.decode_range)
        else:
            _, copied = rendering.encode_into(splice, self._drawn(Drawing(blurrer.draw), tally, aspect))
        report = self._report(setup, splice.pts, splice.end_pts, copied, reason)
        return replace(report, frames_merged=tally.merged)

    def _drawn(self, drawing: Drawing, tally: Tally, aspect: Fraction) -> Generator[VideoFrame, None, None]:
        limits, threads = self.settings.limits, self.settings.decoder_threads
        with open_source(self.source, limits) as container:
            stream = video_stream(container)
            read_only(container, [stream])
            frames = decoded_frames(container, stream, threads, limits, self.decode_range, tally, aspect)
            with closing(frames) as decoded:
                yield from drawing.of(decoded)
        if drawing.pts[0] != self.decode_range.start_pts:
            raise DamagedVideo(
                f"the segment begins at pts {drawing.pts[0]}, not at {self.decode_range.start_pts}"
            )

    def _report(
        self,
        setup: RenderSetup,
        pts: array[int],
        end_pts: int,
        copied: CopiedPackets | None,
        reason: str | None,
    ) -> SegmentReport:
        return SegmentReport(
            time_base=setup.parameters.time_base,
            pts=pts,
            end_pts=end_pts,
            frames_with_faces=setup.blurrer.frames_with_faces,
            changes=setup.blurrer.changes,
            copied=copied,
            fallback_reason=reason,
        )
