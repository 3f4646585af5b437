"""The source video: opening it, choosing its stream, and its frames - all of them, or a named error."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
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
from blur_container.matroska import EBML_MAGIC, is_cut_short
from blur_container.privacy import is_picture
from blur_container.source import Source, failure_first, open_bytes
from blur_container.span import Span
from chalicelib.contract.errors import DamagedVideo, NotAVideo, NoVideoStream, UnsupportedVideo

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
        limits.require_streams(len(container.streams))
        yield container


def video_stream(container: InputContainer) -> VideoStream:
    """Return the stream to blur: the first that is no cover picture."""
    moving = [stream for stream in container.streams.video if not is_picture(stream)]
    if not moving:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise NoVideoStream(f"the file holds no video stream; its streams: {kinds}")
    stream = moving[0]
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


def decoded_frames(
    container: InputContainer,
    stream: VideoStream,
    threads: int,
    limits: Limits = _LIMITS,
    span: Span | None = None,
) -> Generator[VideoFrame, None, None]:
    """Yield every frame in the order of presentation, or every frame of `span`.

    Raise DamagedVideo where a packet or frame is missing or broken: FFmpeg's own way is to go on. Raise
    VideoTooLarge where a limit is passed.
    """
    _require_within(container, stream, limits)
    context = stream.codec_context
    context.thread_type = "AUTO"
    context.thread_count = threads
    # Behind an open keyframe the decoder has to go on after errors; damaged frames are marked as corrupt.
    strictness = {} if span and span.open else {"err_detect": "explode"}
    context.options = {**strictness, **limits.decoder_options()}
    census = _Census(stream, limits)
    try:
        if span is None:
            for frame in _decoded(container.demux(stream), census):
                census.count_frame(frame)
                yield frame
            census.require_whole_index()
        else:
            yield from _spanned(container, stream, span, census)
    except av.FFmpegError as error:
        raise DamagedVideo(f"{census.position}: {error.strerror}") from error
    census.close()


def _decoded(
    packets: Iterator[Packet[VideoStream]], census: _Census, span: Span | None = None
) -> Iterator[VideoFrame]:
    for packet in packets:
        census.count_packet(packet)
        try:
            yield from packet.decode()
        except av.FFmpegError:
            if span is None or packet.pts is None or packet.pts >= span.key_pts:
                raise


def _spanned(
    container: InputContainer, stream: VideoStream, span: Span, census: _Census
) -> Iterator[VideoFrame]:
    census.span = span
    flush: Any = Packet()
    flush.stream = stream
    for frame in _decoded(chain(needed_packets(container, stream, span), [flush]), census, span):
        pts = presentation_time(frame)
        if span.is_over(pts):
            return
        if span.holds(pts):
            census.count_frame(frame)
            yield frame


def needed_packets(
    container: InputContainer, stream: VideoStream, span: Span
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets that the frames of `span` are decoded from."""
    for packet in packets_from(container, stream, span.key_pts, span.key_dts):
        if packet.dts is not None and span.stop_dts is not None and packet.dts >= span.stop_dts:
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


def time_base(stream: VideoStream) -> Fraction:
    """Return the unit of the stream's times, in seconds."""
    if stream.time_base is None:
        raise UnsupportedVideo("the video stream has no time base")
    return stream.time_base


def presentation_time(frame: VideoFrame) -> int:
    """Return when `frame` is shown, in its stream's time base."""
    if frame.pts is None:
        raise UnsupportedVideo("a frame has no presentation time")
    return frame.pts


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """Return the nine numbers of FFmpeg's display matrix, or None where the frame is shown as coded."""
    try:
        matrix = cast("Mapping[SideDataType, Any]", frame.side_data).get(SideDataType.DISPLAYMATRIX)
    except ValueError as error:
        raise UnsupportedVideo(f"the first frame has side data of an unknown kind: {error}") from error
    return None if matrix is None else tuple(memoryview(matrix).cast("B").cast("i"))


def _require_within(container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    context = stream.codec_context
    if not context.width or not context.height:
        raise DamagedVideo("the size of the frames is not told, or far over all limits")
    limits.require_frame(context.width, context.height)
    limits.require_duration(Fraction(container.duration or 0, av.time_base))
    limits.require_start((stream.start_time or 0) * time_base(stream))
    limits.require_packet(max((entry.size for entry in stream.index_entries), default=0))


class _Census:
    """Counts packets and frames of one stream, so that a missing one is noticed."""

    def __init__(self, stream: VideoStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._time_base = time_base(stream)
        self._first_pts: int | None = None
        self._packets = 0
        self._frames = 0
        self._last_pts: int | None = None
        # Of which only frames are expected and counted.
        self.span: Span | None = None
        # Packets until the first frame; those shown before it belong to a group cut off at the start.
        self._early_pts: list[int | None] = []
        self._expected = 0

    @property
    def position(self) -> str:
        return f"after {self._frames} decoded frames and {self._packets} packets"

    def count_packet(self, packet: Packet[VideoStream]) -> None:
        if not packet.size:
            return
        self._packets += 1
        if packet.is_corrupt:
            raise DamagedVideo(f"{self.position}: a packet is cut short")
        if packet.has_sidedata("encryption_info"):
            raise UnsupportedVideo("the video is encrypted")
        self._limits.require_packet(packet.size)
        if packet.is_discard:
            return
        if self.span is not None:
            self._expected += packet.pts is not None and self.span.holds(packet.pts)
        elif self._frames:
            self._expected += 1
        else:
            self._early_pts.append(packet.pts)

    def count_frame(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise DamagedVideo(f"{self.position}: a frame is marked as corrupt")
        self._limits.require_frame(frame.width, frame.height)
        pts = presentation_time(frame)
        if self._last_pts is not None and pts <= self._last_pts:
            raise DamagedVideo(f"{self.position}: pts {pts} follows {self._last_pts}")
        if self._first_pts is None:
            self._first_pts = pts
            self._limits.require_start(pts * self._time_base)
            self._expected += sum(early is None or early >= pts for early in self._early_pts)
        # The container's word for its duration need not be true.
        self._limits.require_duration((pts - self._first_pts) * self._time_base)
        self._frames += 1
        self._last_pts = pts

    def require_whole_index(self) -> None:
        indexed = len(self._stream.index_entries)
        if self._packets < indexed:
            raise DamagedVideo(f"the index promises {indexed} packets, {self._packets} are there")

    def close(self) -> None:
        if not self._frames:
            raise DamagedVideo("the video stream has no frame")
        if self._frames < self._expected:
            raise DamagedVideo(f"{self._expected} frames are expected, {self._frames} can be decoded")


def _unopened(source: Source, error: av.FFmpegError | ValueError) -> NotAVideo | DamagedVideo:
    with open_bytes(source) as file:
        head = file.read(8) or b""
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    if not head:
        return NotAVideo("the file is empty")
    if head[4:8] in _BOX_NAMES or head.startswith(EBML_MAGIC):
        return DamagedVideo(f"the file begins as a video, but its index is missing or broken: {reason}")
    return NotAVideo(f"the file is not in a known video format: {reason}")
