"""One segment: a range of a video's frames, rendered by itself; concatenation adds audio and all else."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
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
from blur_container.rendering.encode import DrawnFrames, Rendering
from blur_container.rendering.frame_drawing import RenderSetup
from blur_container.rendering.progress import Progress
from blur_container.rendering.report import RenderedFile
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import plan_segment
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.errors import DamagedVideo


@dataclass(frozen=True)
class Segment:
    """The frames of `decode_range` in the video at `source`, and the tracks that cover their faces."""

    source: Source
    decode_range: DecodeRange
    subject: Subject
    tracks: Tracks
    settings: RenderSettings

    def render(self, target: Path, progress: Callable[[Progress], None]) -> RenderedFile:
        """Write the frames of the segment to `target`; delete it again on an error."""
        with first_frame(self.source, self.settings.limits) as (first, stream):
            setup = RenderSetup.of(first, stream, self.subject, self.tracks, self.settings)
            aspect = coded_aspect(stream)
        parameters, blurrer, settings, tally = setup.parameters, setup.blurrer, self.settings, Tally()
        rendering = Rendering(self.source, target, parameters, None, settings, progress)
        splice, reason = rendering.plan(
            partial(plan_segment, self.source, parameters, settings, blurrer.shows_face, self.decode_range)
        )
        drawn = DrawnFrames(blurrer.draw)
        if splice is None:
            rendering.encode(self._frames(drawn, tally, aspect), 0)
            return RenderedFile.of(setup, drawn, tally, fallback_reason=reason)
        if reason is None:
            _, copied = rendering.copy(splice, blurrer.draw, self.decode_range)
        else:
            _, copied = rendering.encode_into(splice, self._frames(drawn, tally, aspect))
        return RenderedFile.of(setup, splice, tally, copied=copied, fallback_reason=reason)

    def _frames(
        self, drawn: DrawnFrames, tally: Tally, aspect: Fraction
    ) -> Generator[VideoFrame, None, None]:
        """Yield the segment's frames, drawn; raise DamagedVideo where another frame than planned is first."""
        limits, threads = self.settings.limits, self.settings.decoder_threads
        with open_source(self.source, limits) as container:
            stream = video_stream(container)
            read_only(container, [stream])
            frames = decoded_frames(container, stream, threads, limits, self.decode_range, tally, aspect)
            with closing(frames) as decoded:
                yield from drawn.of(decoded)
        if drawn.pts[0] != self.decode_range.start_pts:
            raise DamagedVideo(
                f"the segment begins at pts {drawn.pts[0]}, not at {self.decode_range.start_pts}"
            )
