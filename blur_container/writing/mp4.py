"""MP4 muxing: encode frames into a file with the source's times, and interleave its other streams.

Sizes of boxes: ISO/IEC 14496-12, clauses 8 and 12. Which boxes FFmpeg writes: libavformat/movenc.c.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.codec.context import Flags
from av.container import OutputContainer
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
# An encoder delays frames by up to two; so few frames are never reordered.
_IN_ORDER_MAX = 2
_TITLE = "title"
# moov, mvhd (version 1), udta and meta with hdlr, and the box `free` that fills the rest.
_MOVIE_BYTES = 8 + 120 + 512
# trak, tkhd, edts with three edits, tref, mdia, mdhd, hdlr, minf, vmhd, dinf, stbl, the fixed part of each
# table, and an entry in stsd with colr, pasp, btrt, clli, mdcv and fiel, but without the codec's own header.
_TRACK_BYTES = 2048
# Every table with an entry for each packet: stts 8, ctts 8, stsz 4, stss 4, sdtp 1, stsc 12, co64 8.
_PACKET_BYTES = 8 + 8 + 4 + 4 + 1 + 12 + 8
# A text is in a box in a box, with its length and language; a chapter's title in chpl and as a sample.
_TEXT_BYTES = 128
# Each text up to three times: as a tag of the movie, of a track, and as the name of a key.
_COPIES = 3


class Output:
    """Encodes frames into an MP4, and interleaves the streams of `remuxer` with them."""

    def __init__(self, container: OutputContainer, video: VideoStream, remuxer: StreamRemuxer | None) -> None:
        self._container = container
        self._video = video
        self._remuxer = remuxer
        self._frames = 0
        self._steps: set[int] = set()
        self._held: VideoFrame | None = None
        self._durations: dict[int, int] = {}

    def write(self, frame: VideoFrame) -> None:
        """Encode one frame, which must have its duration; call it in presentation order."""
        self._frames += 1
        self._steps.add(frame.duration)
        held, self._held = self._held, frame
        if held is not None:
            self._mux(self._encoded(held, PictureType.NONE))

    def finish(self) -> RemuxedStreams:
        """Write the encoder's delayed packets and the rest of the other streams; return those streams."""
        # MP4 stores how much later the next packet is decoded, and a duration for the last one only. Where
        # durations differ, the last frame must be decoded last, so begin a GOP, and be decoded when shown.
        kind = PictureType.NONE if len(self._steps) == 1 else PictureType.I
        last = [] if self._held is None else self._encoded(self._held, kind)
        packets = [*last, *self._video.encode(None)]
        if self._frames <= _IN_ORDER_MAX:
            # x265 measures its delay on the third frame: without one, its dts is uninitialised memory.
            for packet in packets:
                packet.dts = packet.pts
        elif len(self._steps) > 1:
            packets[-1].dts = packets[-1].pts
        self._mux(packets)
        if self._remuxer is None:
            return NOTHING_BESIDE
        self._remuxer.write_rest()
        return self._remuxer.written()

    def _encoded(self, frame: VideoFrame, kind: PictureType) -> list[Packet[VideoStream]]:
        # Otherwise the encoder repeats the frame types of the source.
        frame.pict_type = kind
        self._durations[presentation_time(frame)] = frame.duration
        return self._video.encode(frame)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.dts is not None and self._remuxer is not None:
                self._remuxer.write_until(packet.dts * packet.time_base)
            # Encoders set durations of their own.
            packet.duration = self._durations.pop(cast("int", packet.pts), packet.duration)
            self._container.mux_one(packet)


@contextmanager
def open_output(
    path: Path, parameters: StreamParameters, selected: SelectedStreams | None, settings: RenderSettings
) -> Iterator[Output]:
    """Open `path` for writing; it is complete only after this context has ended without an error.

    `selected` is None for a segment, which has no other streams.
    """
    with open_container(path, parameters.time_base, selected) as container:
        video = container.add_stream(parameters.output_format.encoder, parameters.frame_rate)
        assert isinstance(video, VideoStream)  # noqa: S101 tells mypy what the encoder's name says
        configure_encoder(video.codec_context, parameters, settings)
        video.set_display_matrix(parameters.display_matrix)
        yield Output(container, video, StreamRemuxer(selected, container) if selected else None)


@contextmanager
def open_container(
    path: Path, time_base: Fraction, selected: SelectedStreams | None
) -> Iterator[OutputContainer]:
    """Open `path` as an MP4 without streams, with the kept tags and chapters."""
    options = _options("+faststart", time_base, selected)
    with _opened(str(path.resolve()), options, selected) as container:
        yield container


@contextmanager
def open_streamed(
    writer: SeekableWriter, moov_bytes: int, time_base: Fraction, selected: SelectedStreams | None
) -> Iterator[OutputContainer]:
    """Open `writer` as `open_container` opens a path; reserve `moov_bytes` at its start for the index.

    Raise OutputMismatch where they are too few. The caller completes or closes `writer`.
    """
    options = {**_options("", time_base, selected), "moov_size": str(moov_bytes)}
    # FFmpeg reports a failed write only when it closes the file, and without its reason.
    with failure_first(writer), _opened(writer, options, selected) as container:
        yield container


def _options(flags: str, time_base: Fraction, selected: SelectedStreams | None) -> dict[str, str]:
    # MP4 has no place for most tags; this flag makes FFmpeg write them.
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
                # Of the chapters' tags only the title.
                chapters = [
                    {**chapter, "metadata": {_TITLE: chapter["metadata"].get(_TITLE, "")}}
                    for chapter in selected.source.chapters()
                ]
                container.set_chapters(chapters)
            yield container
    except av.FFmpegError as error:
        raise_if_full(error.errno, error)
        raise OutputMismatch(f"the output cannot be written: {error.strerror}") from error


def configure_encoder(
    context: VideoCodecContext, parameters: StreamParameters, settings: RenderSettings
) -> None:
    """Set size, quality, times, colours and fields of an encoder, before it is opened."""
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
    # PyAV's default, SLICE, cuts frames into slices that are predicted separately: 2 % more bytes.
    context.thread_type = "FRAME"
    if parameters.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = parameters.sample_aspect_ratio
    output_format.color.tag(context)
    if output_format.is_interlaced:
        # Each frame says which of its fields is first.
        context.flags |= Flags.interlaced_dct
        context.field_order = output_format.field_order
    if output_format.encoder != _X264:
        # Otherwise frames before the last one may refer to it, and it is decoded before them.
        context.options["forced-idr"] = "1"
        # Apple's players need the parameter sets in the header, and this codec tag for that.
        context.codec_tag = "hvc1"


def _parameters(parameters: StreamParameters, settings: RenderSettings) -> dict[str, str]:
    if parameters.output_format.encoder == _X264:
        # With two lookahead threads equal frames gave 16 different files in 150 runs; with one, 4 in 1,000.
        fields = ":weightp=0" if parameters.output_format.is_interlaced else ""
        return {"x264-params": f"lookahead-threads=1{fields}"}
    fixed = ["log-level=none", "open-gop=0", "frame-threads=1", f"pools={settings.encoder_threads}"]
    return {"x265-params": ":".join([*fixed, *mastering_parameters(parameters.first)])}


def _movie_timescale(video: Fraction, selected: SelectedStreams | None) -> int:
    """Return a movie timescale in which every stream starts on a whole tick; edit lists use it."""
    streams = selected.streams if selected else ()
    rates = [stream.time_base.denominator for stream in streams if stream.time_base]
    scale = math.lcm(video.denominator, *rates)
    # Over the width of the field: keep the video exact.
    return scale if scale <= _TIMESCALE_MAX else video.denominator


def moov_bytes_max(packets: Sequence[int], texts: Sequence[bytes]) -> int:
    """Return an upper limit for the size of the index in bytes: 3 to 7 times what it really needs.

    `packets` has the number of packets of each track. `texts` are tags (names and values), titles of chapters
    and headers of codecs (extradata); where there are chapters, FFmpeg adds a track of them by itself.
    """
    chapters = len(texts) + 2
    tracks = _TRACK_BYTES * (len(packets) + 1) + _PACKET_BYTES * (sum(packets) + chapters)
    return _MOVIE_BYTES + tracks + sum(_COPIES * (_TEXT_BYTES + len(text)) for text in texts)
