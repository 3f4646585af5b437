"""The rendered file: the source's times and looks, its companions, and few of its tags."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from blur_container.reading.source import SeekableWriter, failure_first
from blur_container.reading.timestamps import presentation_time
from blur_container.scratch import raise_if_full
from blur_container.settings import RenderSettings
from blur_container.writing.color import mastering_parameters
from blur_container.writing.output_format import StreamParameters
from blur_container.writing.remux import NOTHING_BESIDE, RemuxedStreams, StreamRemuxer
from blur_container.writing.stream_selection import SelectedStreams
from chalicelib.contract.errors import OutputMismatch

_TIMESCALE_MAX = 2**31 - 1
_X264 = "libx264"
# An encoder delays frames by up to two; so few frames have none between them to reorder.
_IN_ORDER_MAX = 2


_TITLE = "title"


class Output:
    """An MP4 being written: frames are encoded, their companions follow in step."""

    def __init__(self, container: OutputContainer, video: VideoStream, remuxer: StreamRemuxer | None) -> None:
        self._container = container
        self._video = video
        self._remuxer = remuxer
        self._frames = 0
        self._steps: set[int] = set()
        self._held: VideoFrame | None = None
        self._durations: dict[int, int] = {}

    def write(self, frame: VideoFrame) -> None:
        """Take one frame, which says how long it is shown; later ones must follow in that order."""
        self._frames += 1
        self._steps.add(frame.duration)
        held, self._held = self._held, frame
        if held is not None:
            self._mux(self._encoded(held, PictureType.NONE))

    def finish(self) -> RemuxedStreams:
        """Write what the encoder and the companions still hold; return what stands beside the video."""
        packets = [*self._last(), *self._video.encode(None)]
        if self._frames <= _IN_ORDER_MAX:
            # x265 measures its delay on the third frame: without one, its dts is what the memory held.
            for packet in packets:
                packet.dts = packet.pts
        elif len(self._steps) > 1:
            packets[-1].dts = packets[-1].pts
        self._mux(packets)
        if self._remuxer is None:
            return NOTHING_BESIDE
        self._remuxer.write_rest()
        return self._remuxer.written()

    def _last(self) -> list[Packet[VideoStream]]:
        """Return what the encoder gives for the last frame.

        MP4 tells how much later the next packet is decoded, and a duration of the last one only. Where frames
        last unevenly, the last one must be decoded last, so begin a group, and be decoded when it is shown.
        """
        kind = PictureType.NONE if len(self._steps) == 1 else PictureType.I
        return [] if self._held is None else self._encoded(self._held, kind)

    def _encoded(self, frame: VideoFrame, kind: PictureType) -> list[Packet[VideoStream]]:
        # Not told, the encoder repeats the frame types of the source.
        frame.pict_type = kind
        self._durations[presentation_time(frame)] = frame.duration
        return self._video.encode(frame)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.dts is not None and self._remuxer is not None:
                self._remuxer.write_until(packet.dts * packet.time_base)
            # Encoders make up their own.
            packet.duration = self._durations.pop(cast("int", packet.pts), packet.duration)
            self._container.mux_one(packet)


@contextmanager
def open_output(
    path: Path, parameters: StreamParameters, selected: SelectedStreams | None, settings: RenderSettings
) -> Iterator[Output]:
    """Open `path` for writing; it is whole only after this context has ended without an error.

    `selected` is None for frames alone, which others join with their companions.
    """
    with open_container(path, parameters.time_base, selected) as container:
        video = _add_video(container, parameters, settings)
        yield Output(container, video, StreamRemuxer(selected, container) if selected else None)


@contextmanager
def open_container(
    path: Path, time_base: Fraction, selected: SelectedStreams | None
) -> Iterator[OutputContainer]:
    """Open `path` as an MP4 without streams, with the tags and chapters that are kept."""
    options = _options("+faststart", time_base, selected)
    with _opened(str(path.resolve()), options, selected) as container:
        yield container


@contextmanager
def open_streamed(
    writer: SeekableWriter, moov_bytes: int, time_base: Fraction, selected: SelectedStreams | None
) -> Iterator[OutputContainer]:
    """Open `writer` as `open_container` does a path; the index gets its first `moov_bytes`.

    Raise OutputMismatch where they are too few. `writer` is left to the caller, who completes or closes it.
    """
    options = {**_options("", time_base, selected), "moov_size": str(moov_bytes)}
    # After a failed write FFmpeg says no more than that there was one, when it is closed.
    with failure_first(writer), _opened(writer, options, selected) as container:
        yield container


def _options(flags: str, time_base: Fraction, selected: SelectedStreams | None) -> dict[str, str]:
    # Only so does MP4 hold tags that it has no place for.
    tags = "+use_metadata_tags" if selected and selected.keep_metadata else ""
    return {
        **({"movflags": flags + tags} if flags + tags else {}),
        "movie_timescale": str(_movie_timescale(time_base, selected)),
        "video_track_timescale": str(time_base.denominator),
    }


@contextmanager
def _opened(
    file: str | SeekableWriter, options: dict[str, str], selected: SelectedStreams | None
) -> Iterator[OutputContainer]:
    try:
        with av.open(file, "w", format="mp4", container_options=options) as container:
            if selected:
                container.metadata.update(selected.tags())
                copy_chapters(selected.source, container)
            yield container
    except av.FFmpegError as error:
        raise_if_full(error.errno, error)
        raise OutputMismatch(f"the output cannot be written: {error.strerror}") from error


def configure_encoder(
    context: VideoCodecContext, parameters: StreamParameters, settings: RenderSettings
) -> None:
    """Tell an encoder everything but its frames."""
    output_format = parameters.output_format
    context.width, context.height, context.pix_fmt = (
        output_format.size.width,
        output_format.size.height,
        output_format.pixel_format,
    )
    context.options = {
        "crf": str(settings.crf),
        "preset": settings.preset,
        **_parameters(parameters, settings),
    }
    context.time_base, context.framerate = parameters.time_base, parameters.frame_rate
    context.thread_count = settings.encoder_threads
    # PyAV's own choice, SLICE, cuts frames into slices that cannot learn from one another: 2 % more bytes.
    context.thread_type = "FRAME"
    if parameters.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = parameters.sample_aspect_ratio
    output_format.color.tag(context)
    if output_format.is_interlaced:
        # Which field is first each frame tells by itself.
        context.flags |= Flags.interlaced_dct
        context.field_order = output_format.field_order
    if output_format.encoder != _X264:
        # Otherwise frames before it may refer to the last one, which is then decoded first.
        context.options["forced-idr"] = "1"
        # Apple's players want the parameter sets in the header, and this name for that.
        context.codec_tag = "hvc1"


def _parameters(parameters: StreamParameters, settings: RenderSettings) -> dict[str, str]:
    if parameters.output_format.encoder == _X264:
        # With two lookahead threads equal frames gave 16 different files in 150 runs; with one, 4 in 1,000.
        fields = ":weightp=0" if parameters.output_format.is_interlaced else ""
        return {"x264-params": f"lookahead-threads=1{fields}"}
    fixed = ["log-level=none", "open-gop=0", "frame-threads=1", f"pools={settings.encoder_threads}"]
    return {"x265-params": ":".join([*fixed, *mastering_parameters(parameters.first)])}


def _add_video(
    container: OutputContainer, parameters: StreamParameters, settings: RenderSettings
) -> VideoStream:
    video = container.add_stream(parameters.output_format.encoder, parameters.frame_rate)
    assert isinstance(video, VideoStream)  # noqa: S101 tells mypy what the encoder's name says
    configure_encoder(video.codec_context, parameters, settings)
    video.set_display_matrix(parameters.display_matrix)
    return video


def _movie_timescale(video: Fraction, selected: SelectedStreams | None) -> int:
    """Return a scale in which every stream starts on a whole tick; edit lists are written in it."""
    streams = selected.streams if selected else ()
    rates = [stream.time_base.denominator for stream in streams if stream.time_base]
    scale = math.lcm(video.denominator, *rates)
    # Past the field's width the video stays exact.
    return scale if scale <= _TIMESCALE_MAX else video.denominator


def copy_chapters(source: InputContainer, output: OutputContainer) -> None:
    """Give `output` the chapters of `source`; of their tags only the title."""
    output.set_chapters(
        [
            {**chapter, "metadata": {_TITLE: chapter["metadata"].get(_TITLE, "")}}
            for chapter in source.chapters()
        ]
    )
