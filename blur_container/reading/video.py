"""The source video: opening it, choosing its stream, and its frames - all of them, or a named error."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.limits import Limits
from blur_container.reading.decode_checks import DecodeCounter, Tally, is_marker
from blur_container.reading.matroska import EBML_MAGIC, is_cut_short
from blur_container.reading.side_data import side_data
from blur_container.reading.source import Source, failure_first, open_bytes
from blur_container.reading.timestamps import (
    DecodeRange,
    last_duration,
    presentation_time,
    reorder_options,
    time_base,
    usual_step,
)
from blur_container.reading.video_tracks import shown_track
from chalicelib.contract.errors import DamagedVideo, NotAVideo, UnsupportedVideo

# Python 3.10 ends at PyAV 17, which neither tells nor writes the order of fields and maps no HDR.
IS_PYAV_18 = int(av.__version__.split(".")[0]) >= 18  # noqa: PLR2004 the version itself

# Playlists name other files and addresses to read: only containers that hold their own streams are opened.
_CONTAINER_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,wav,mp3,ogg,flac,aac",
}
_BOX_NAMES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_LIMITS = Limits()
# For stored videos only: FFmpeg's own for paths. With PyAV's 32 KiB reading takes 1.2 times the CPU.
_BUFFER_BYTES = 128 * 1024


@contextmanager
def open_source(source: Source, limits: Limits = _LIMITS) -> Iterator[InputContainer]:
    """Open the container in `source` for reading; raise NotAVideo or DamagedVideo where that fails.

    Where a read of a stored video has failed, its error goes before all others, and before none.
    """
    if isinstance(source, Path):
        with _opened(source, str(source.resolve()), limits) as container:
            yield container
    else:
        with failure_first(source), source.open() as handle, _opened(source, handle, limits) as container:
            yield container


@contextmanager
def _opened(source: Source, file: str | io.RawIOBase, limits: Limits) -> Iterator[InputContainer]:
    try:
        container = av.open(
            file,
            "r",
            container_options={**_CONTAINER_OPTIONS, **limits.container_options()},
            options=limits.decoder_options(),
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
        )
    except FileNotFoundError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise _unopened(source, error) from error
    with container:
        if is_cut_short(source):
            raise DamagedVideo("the file ends before its Matroska segment does")
        attachments = sum(stream.type == "attachment" for stream in container.streams)
        limits.require_streams(len(container.streams) - attachments, attachments)
        yield container


def video_stream(container: InputContainer) -> VideoStream:
    """Return the stream to blur: the track that is shown."""
    stream = shown_track(container)
    # PyAV says None here where FFmpeg has no decoder, against its own type hints.
    if cast("object", stream.codec_context) is None:
        raise UnsupportedVideo("there is no decoder for the video stream")
    return stream


def read_only(container: InputContainer, streams: list[Any]) -> None:
    """Let the demuxer skip the bytes of all streams but `streams`."""
    wanted = {stream.index for stream in streams}
    for stream in container.streams:
        # FFmpeg skips streams of data unless told.
        stream.discard = Discard.default if stream.index in wanted else Discard.all


def decoded_frames(  # noqa: PLR0913, PLR0917 what is decoded, and how it must be
    container: InputContainer,
    stream: VideoStream,
    threads: int,
    limits: Limits = _LIMITS,
    decode_range: DecodeRange | None = None,
    tally: Tally | None = None,
    aspect: Fraction | None = None,
) -> Generator[VideoFrame, None, None]:
    """Yield every frame in the order of presentation, or every frame of `decode_range`, with its duration.

    Of frames of one time only the last is shown; `tally` counts the others, and those that cannot be decoded
    because the video begins without a keyframe. Raise DamagedVideo where a packet or frame is missing or
    broken: FFmpeg's own way is to go on. Raise VideoTooLarge where a limit is passed, UnsupportedVideo where
    pixels have another shape than `aspect`, or than those of the first frame here.
    """
    _require_within(container, stream, limits)
    context = stream.codec_context
    context.thread_type = "AUTO"
    context.thread_count = threads
    # Behind an open keyframe the decoder has to go on after errors; damaged frames are marked as corrupt. The
    # one for HEVC marks none, and leaves out by itself what refers to frames before that keyframe.
    is_lenient = decode_range is not None and decode_range.open and context.name != "hevc"
    strictness = {} if is_lenient else {"err_detect": "explode"}
    context.options = {**strictness, **reorder_options(context.name), **limits.decoder_options()}
    counter = DecodeCounter(stream, limits, tally or Tally())
    frames = (
        _counted(container, stream, counter)
        if decode_range is None
        else _spanned(container, stream, decode_range, counter)
    )
    try:
        yield from _shown(_of_one_shape(frames, stream, aspect), stream, counter, decode_range)
    except av.FFmpegError as error:
        raise DamagedVideo(f"{counter.position}: {error.strerror}") from error
    counter.close()


@contextmanager
def first_frame(
    source: Source, limits: Limits = _LIMITS, tally: Tally | None = None
) -> Iterator[tuple[VideoFrame, VideoStream]]:
    """Yield the first frame of the video in `source` and its stream, which must not be read any further."""
    with open_source(source, limits) as container:
        stream = video_stream(container)
        with closing(decoded_frames(container, stream, 1, limits, tally=tally)) as frames:
            yield next(frames), stream


def _shown(
    frames: Iterator[VideoFrame],
    stream: VideoStream,
    counter: DecodeCounter,
    decode_range: DecodeRange | None,
) -> Iterator[VideoFrame]:
    """Yield the last frame of each time, with its duration."""
    step, held = usual_step(stream), next(frames, None)
    if held is None:
        return
    for frame in frames:
        lasts = presentation_time(frame) - presentation_time(held)
        if lasts:
            step = held.duration = lasts
            yield held
        held = frame
    pts = presentation_time(held)
    if decode_range is not None and decode_range.end_pts is not None:
        held.duration = decode_range.end_pts - pts
    else:
        told = max(held.duration, counter.fields_end_pts - pts)
        held.duration = last_duration(stream, pts, told, step)
        counter.require_end(pts + held.duration)
    yield held


def _counted(container: InputContainer, stream: VideoStream, counter: DecodeCounter) -> Iterator[VideoFrame]:
    for frame in _decoded(container.demux(stream), counter):
        counter.count_frame(frame)
        yield frame
    counter.require_whole_index()


def coded_aspect(stream: VideoStream) -> Fraction:
    """Return the shape of the pixels of the last decoded frame, width over height; 1 where untold."""
    return stream.codec_context.sample_aspect_ratio or Fraction(1)


def _of_one_shape(
    frames: Iterator[VideoFrame], stream: VideoStream, aspect: Fraction | None
) -> Iterator[VideoFrame]:
    for frame in frames:
        found = coded_aspect(stream)
        if aspect not in (None, found):
            raise UnsupportedVideo(f"the shape of the pixels changes from {aspect} to {found} on its way")
        aspect = found
        yield frame


def _decoded(
    packets: Iterator[Packet[VideoStream]], counter: DecodeCounter, decode_range: DecodeRange | None = None
) -> Iterator[VideoFrame]:
    for packet in packets:
        counter.count_packet(packet)
        if is_marker(packet):
            continue
        try:
            yield from packet.decode()
        except av.FFmpegError:
            if decode_range is None or packet.pts is None or packet.pts >= decode_range.key_pts:
                raise


def _spanned(
    container: InputContainer, stream: VideoStream, decode_range: DecodeRange, counter: DecodeCounter
) -> Iterator[VideoFrame]:
    counter.decode_range = decode_range
    flush: Any = Packet()
    flush.stream = stream
    for frame in _decoded(
        chain(needed_packets(container, stream, decode_range), [flush]), counter, decode_range
    ):
        pts = presentation_time(frame)
        if decode_range.is_over(pts):
            return
        if decode_range.holds(pts):
            counter.count_frame(frame)
            yield frame


def needed_packets(
    container: InputContainer, stream: VideoStream, decode_range: DecodeRange | None
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets that the frames of `decode_range`, or all frames, are decoded from."""
    if decode_range is None:
        yield from container.demux(stream)
        return
    for packet in packets_from(container, stream, decode_range.key_pts, decode_range.key_dts):
        if (
            packet.dts is not None
            and decode_range.stop_dts is not None
            and packet.dts >= decode_range.stop_dts
        ):
            break
        yield packet


def packets_from(
    container: InputContainer, stream: VideoStream, time: int, dts: int
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets from that with `dts` on, looked for from the last keyframe shown up to `time`.

    Raise DamagedVideo where there is none.
    """
    container.seek(time, stream=stream)
    packets = (packet for packet in container.demux(stream) if packet.size)
    first = next((packet for packet in packets if packet.dts is not None and packet.dts >= dts), None)
    if first is None or first.dts != dts or not first.is_keyframe:
        raise DamagedVideo(f"no keyframe is found at dts {dts}, where the index has one")
    yield first
    yield from packets


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """Return the nine numbers of FFmpeg's display matrix, or None where the frame is shown as coded."""
    matrix = side_data(frame).get(SideDataType.DISPLAYMATRIX)
    numbers = () if matrix is None else tuple(memoryview(matrix).cast("B").cast("i"))
    # Some recorders leave the field empty. Nothing could be shown by that: players take it for no matrix.
    return numbers if any(numbers[:6]) else None


def _require_within(container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    context = stream.codec_context
    if not context.width or not context.height:
        raise DamagedVideo("the size of the frames is not told, or far over all limits")
    limits.require_frame(context.width, context.height)
    limits.require_duration(_length_s(container))
    limits.require_start((stream.start_time or 0) * time_base(stream))
    limits.require_packet(max((entry.size for entry in stream.index_entries), default=0))


def _length_s(container: InputContainer) -> Fraction:
    """Return how long the container says it lasts at least: of fragmented MP4 FFmpeg tells when it ends."""
    length, start = container.duration or 0, container.start_time or 0
    return Fraction(length - start if length > start > 0 else length, av.time_base)


def _unopened(source: Source, error: av.FFmpegError | ValueError) -> NotAVideo | DamagedVideo:
    with open_bytes(source) as file:
        head = file.read(8) or b""
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    if not head:
        return NotAVideo("the file is empty")
    if head[4:8] in _BOX_NAMES or head.startswith(EBML_MAGIC):
        return DamagedVideo(f"the file begins as a video, but its index is missing or broken: {reason}")
    return NotAVideo(f"the file is not in a known video format: {reason}")
