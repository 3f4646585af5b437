"""The source video: open it, choose its stream, and decode all its frames or raise an error."""

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
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.limits import Limits
from blur_container.reading.decode_checks import DecodeCounter, Tally, is_marker
from blur_container.reading.edit_list import has_edit_of_length_zero
from blur_container.reading.matroska import EBML_MAGIC, is_cut_short
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

# PyAV 17, the last for Python 3.10, neither reads nor writes the field order, and cannot tone-map HDR.
IS_PYAV_18 = int(av.__version__.split(".")[0]) >= 18  # noqa: PLR2004 the version itself

# Playlists name other files and addresses to read: open only containers with streams of their own.
_CONTAINER_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,wav,mp3,ogg,flac,aac",
}
# Edits only shift the track then.
_EDITS_AS_OFFSETS = {"advanced_editlist": "0"}
_BOX_NAMES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_LIMITS = Limits()
# For videos in storage only; with PyAV's own 32 KiB reading takes 1.2 times the CPU time.
_BUFFER_BYTES = 128 * 1024


@contextmanager
def open_source(source: Source, limits: Limits = _LIMITS) -> Iterator[InputContainer]:
    """Open the container in `source` for reading; raise NotAVideo or DamagedVideo where that fails.

    Where a read of a stored video fails, the context raises that error in place of any other, or of none.
    """
    if isinstance(source, Path):
        with _opened(source, str(source.resolve()), limits) as container:
            yield container
    else:
        with failure_first(source), source.open() as handle, _opened(source, handle, limits) as container:
            yield container


@contextmanager
def _opened(source: Source, file: str | io.RawIOBase, limits: Limits) -> Iterator[InputContainer]:
    """Open `file`, the bytes of `source`; check that it is complete and has few enough streams."""
    container = _container(source, file, limits, {})
    if any(map(_is_hidden, container.streams)) and has_edit_of_length_zero(source):
        container.close()
        if not isinstance(file, str):
            file.seek(0)
        container = _container(source, file, limits, _EDITS_AS_OFFSETS)
    with container:
        if is_cut_short(source):
            raise DamagedVideo("the file ends before its Matroska segment does")
        attachments = sum(stream.type == "attachment" for stream in container.streams)
        limits.require_streams(len(container.streams) - attachments, attachments)
        yield container


def _container(
    source: Source, file: str | io.RawIOBase, limits: Limits, options: dict[str, str]
) -> InputContainer:
    """Open `file`, the bytes of `source`, with further `options` of the demuxer."""
    try:
        return av.open(
            file,
            "r",
            container_options={**_CONTAINER_OPTIONS, **limits.container_options(), **options},
            options=limits.decoder_options(),
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
        )
    except FileNotFoundError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise _open_error(source, error) from error


def _is_hidden(stream: Any) -> bool:
    """Return whether an edit hides all samples of `stream` from FFmpeg."""
    entries = stream.index_entries
    return bool(stream.frames and stream.duration == 0 and len(entries) and entries[0].is_discard)


def video_stream(container: InputContainer) -> VideoStream:
    """Return the video track that players show; raise UnsupportedVideo where it has no decoder."""
    stream = shown_track(container)
    # PyAV returns None here where FFmpeg has no decoder, against its own type hints.
    if cast("object", stream.codec_context) is None:
        raise UnsupportedVideo("there is no decoder for the video stream")
    return stream


def read_only(container: InputContainer, streams: list[Any]) -> None:
    """Let the demuxer skip the bytes of all streams except `streams`."""
    wanted = {stream.index for stream in streams}
    for stream in container.streams:
        # FFmpeg skips data streams by default.
        stream.discard = Discard.default if stream.index in wanted else Discard.all


def decoded_frames(  # noqa: PLR0913, PLR0917 the stream, the range, and what is checked
    container: InputContainer,
    stream: VideoStream,
    threads: int,
    limits: Limits = _LIMITS,
    decode_range: DecodeRange | None = None,
    tally: Tally | None = None,
    aspect: Fraction | None = None,
) -> Generator[VideoFrame, None, None]:
    """Yield all frames, or those of `decode_range`, in presentation order, and set the duration of each.

    Of several frames at one time only the last is yielded; `tally` counts the others, and frames that cannot
    be decoded because the video begins without a keyframe. Raise DamagedVideo where a packet or frame is
    missing or broken, which FFmpeg skips. Raise VideoTooLarge over a limit, UnsupportedVideo where the sample
    aspect ratio differs from `aspect`, or from that of the first frame here.
    """
    _require_within(container, stream, limits)
    context = stream.codec_context
    context.thread_type = "AUTO"
    context.thread_count = threads
    # After an open keyframe the decoder must continue after errors; damaged frames are marked as corrupt. The
    # HEVC decoder marks none, but drops frames that refer to frames before that keyframe by itself.
    is_lenient = decode_range is not None and decode_range.open and context.name != "hevc"
    strictness = {} if is_lenient else {"err_detect": "explode"}
    context.options = {**strictness, **reorder_options(context.name), **limits.decoder_options()}
    counter = DecodeCounter(stream, limits, tally or Tally())
    frames = _decoded(container, stream, decode_range, counter)
    try:
        yield from _shown(_of_one_aspect(frames, stream, aspect), stream, counter, decode_range)
    except av.FFmpegError as error:
        raise DamagedVideo(f"{counter.position}: {error.strerror}") from error
    counter.close()


@contextmanager
def first_frame(
    source: Source, limits: Limits = _LIMITS, tally: Tally | None = None
) -> Iterator[tuple[VideoFrame, VideoStream]]:
    """Yield the first frame of the video in `source` and its stream, which must not be read further."""
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
    """Yield the last frame of each pts, and set its duration."""
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


def coded_aspect(stream: VideoStream) -> Fraction:
    """Return the sample aspect ratio of the last decoded frame, width over height; 1 where unknown."""
    return stream.codec_context.sample_aspect_ratio or Fraction(1)


def _of_one_aspect(
    frames: Iterator[VideoFrame], stream: VideoStream, aspect: Fraction | None
) -> Iterator[VideoFrame]:
    """Yield `frames`; raise UnsupportedVideo where the sample aspect ratio changes."""
    for frame in frames:
        found = coded_aspect(stream)
        if aspect not in (None, found):
            raise UnsupportedVideo(f"the sample aspect ratio changes mid-stream from {aspect} to {found}")
        aspect = found
        yield frame


def _decoded(
    container: InputContainer, stream: VideoStream, decode_range: DecodeRange | None, counter: DecodeCounter
) -> Iterator[VideoFrame]:
    """Yield all frames, or those of `decode_range`, each checked by `counter`."""
    counter.decode_range = decode_range
    packets = needed_packets(container, stream, decode_range)
    if decode_range is not None:
        flush: Any = Packet()
        flush.stream = stream
        packets = chain(packets, [flush])
    for packet in packets:
        counter.count_packet(packet)
        if is_marker(packet):
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            if decode_range is None or packet.pts is None or packet.pts >= decode_range.key_pts:
                raise
            continue
        for frame in frames:
            if decode_range is not None and decode_range.is_over(presentation_time(frame)):
                return
            if decode_range is None or decode_range.holds(presentation_time(frame)):
                counter.count_frame(frame)
                yield frame
    if decode_range is None:
        counter.require_whole_index()


def needed_packets(
    container: InputContainer, stream: VideoStream, decode_range: DecodeRange | None
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets to decode for the frames of `decode_range`, or for all frames."""
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
    """Yield the packets from the one with `dts` on, after a seek to the last keyframe at or before `time`.

    Raise DamagedVideo where no keyframe has that dts.
    """
    container.seek(time, stream=stream)
    packets = (packet for packet in container.demux(stream) if packet.size)
    first = next((packet for packet in packets if packet.dts is not None and packet.dts >= dts), None)
    if first is None or first.dts != dts or not first.is_keyframe:
        raise DamagedVideo(f"no keyframe is found at dts {dts}, where the index has one")
    yield first
    yield from packets


def _require_within(container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    context = stream.codec_context
    if not context.width or not context.height:
        raise DamagedVideo("the size of the frames is unknown, or far over all limits")
    limits.require_frame(context.width, context.height)
    # The least duration that the container states: of fragmented MP4 FFmpeg reports the end.
    length, start = container.duration or 0, container.start_time or 0
    length_s = Fraction(length - start if length > start > 0 else length, av.time_base)
    limits.require_duration(length_s)
    limits.require_start((stream.start_time or 0) * time_base(stream))
    limits.require_packet(max((entry.size for entry in stream.index_entries), default=0))


def _open_error(source: Source, error: av.FFmpegError | ValueError) -> NotAVideo | DamagedVideo:
    """Return the error for a file that FFmpeg cannot open, by its first bytes."""
    with open_bytes(source) as file:
        head = file.read(8) or b""
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    if not head:
        return NotAVideo("the file is empty")
    if head[4:8] in _BOX_NAMES or head.startswith(EBML_MAGIC):
        return DamagedVideo(f"the file begins as a video, but its index is missing or broken: {reason}")
    return NotAVideo(f"the file is not in a known video format: {reason}")
