"""Rendering one file: encode every drawn frame, or splice encoded frames with copied packets."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame

from blur_container.reading.h264 import NotSpliceable
from blur_container.reading.prefetch import read_ahead
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange, presentation_time
from blur_container.reading.video import needed_packets, open_source, read_only, video_stream
from blur_container.rendering.progress import Progress
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import Splice, splice_encoder
from blur_container.smart_render.writer import Pieces, SplicedOutput
from blur_container.writing.mp4 import open_container, open_output
from blur_container.writing.output_format import StreamParameters
from blur_container.writing.packet_digest import CopiedPackets
from blur_container.writing.remux import RemuxedStreams, StreamRemuxer
from blur_container.writing.stream_selection import SelectedStreams

# One thread decodes and blurs, one encodes; so many frames between them, 19 MB at 1080p, keep both busy.
_FRAMES_AHEAD = 6

Draw = Callable[[VideoFrame], VideoFrame]


class DrawnFrames:
    """Draws frames one by one; records the pts of each, and when the last one ends."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.pts: array[int] = array("q")
        self.end_pts = 0

    def of(self, decoded: Iterable[VideoFrame]) -> Generator[VideoFrame, None, None]:
        """Yield the frames in `decoded`, drawn."""
        for frame in decoded:
            self.pts.append(presentation_time(frame))
            duration = frame.duration
            self.end_pts = self.pts[-1] + duration
            drawn = self._draw(frame)
            drawn.duration = duration
            yield drawn


@dataclass(frozen=True)
class Rendering:
    """One file being rendered; `selected` are the streams beside the video, None for a segment without any.

    Every method that writes `target` deletes it again on an error.
    """

    source: Source
    target: Path
    parameters: StreamParameters
    selected: SelectedStreams | None
    settings: RenderSettings
    progress: Callable[[Progress], None]

    def encode(self, frames: Generator[VideoFrame, None, None], frames_total: int) -> RemuxedStreams:
        """Encode every frame of `frames`; `frames_total` is the container's count, 0 if it has none."""
        with (
            _deleted_on_error(self.target),
            closing(read_ahead(frames, _FRAMES_AHEAD)) as ahead,
            open_output(self.target, self.parameters, self.selected, self.settings) as output,
        ):
            for count, frame in enumerate(ahead, start=1):
                output.write(frame)
                self.progress(Progress(count, frames_total))
            return output.finish()

    def plan(self, plan: Callable[[], Splice]) -> tuple[Splice | None, str | None]:
        """Return the splice that `plan` makes, if smart rendering is on and possible, and why it is not."""
        if not self.settings.smart_render:
            return None, None
        if self.parameters.output_format.changes:
            return None, self.parameters.output_format.changes[0]
        try:
            splice = plan()
        except NotSpliceable as reason:
            return None, str(reason)
        return splice, splice.fallback_reason

    def copy(
        self, splice: Splice, draw: Draw, decode_range: DecodeRange | None
    ) -> tuple[RemuxedStreams, CopiedPackets]:
        """Copy and encode packets as `splice` says, of the whole source or of `decode_range`."""
        with _deleted_on_error(self.target), self._spliced(splice) as (output, source):
            stream = video_stream(source)
            packets = needed_packets(source, stream, decode_range)
            pieces = Pieces(stream, packets, splice, draw, self.settings.decoder_threads)
            for count in pieces.write_to(output):
                self.progress(Progress(count, len(splice.pts)))
            return output.finish(), output.copied()

    def encode_into(
        self, splice: Splice, frames: Generator[VideoFrame, None, None]
    ) -> tuple[RemuxedStreams, CopiedPackets]:
        """Encode every frame into a track with the parameter sets of `splice`, as other segments have it."""
        with _deleted_on_error(self.target), self._spliced(splice) as (output, _):
            with closing(read_ahead(frames, _FRAMES_AHEAD)) as ahead:
                for count, frame in enumerate(ahead, start=1):
                    output.encode(frame)
                    self.progress(Progress(count, len(splice.pts)))
            output.end_run()
            return output.finish(), output.copied()

    @contextmanager
    def _spliced(self, splice: Splice) -> Iterator[tuple[SplicedOutput, InputContainer]]:
        with (
            open_source(self.source, self.settings.limits) as source,
            open_container(self.target, self.parameters.time_base, self.selected) as container,
        ):
            stream = video_stream(source)
            read_only(source, [stream])
            remuxer = StreamRemuxer(self.selected, container) if self.selected else None
            encoder = partial(splice_encoder, splice, self.parameters, self.settings)
            yield SplicedOutput(container, stream, remuxer, splice, encoder), source


@contextmanager
def _deleted_on_error(target: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise
