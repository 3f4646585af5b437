"""The source video: opening it, choosing its stream, and its frames - all of them, or a named error."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard, Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from blur_container.matroska import EBML_MAGIC, is_cut_short
from chalicelib.contract.errors import DamagedVideo, NotAVideo, NoVideoStream, UnsupportedVideo

# Playlists name other files and addresses to read: only containers that hold their own streams are opened.
_CONTAINER_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,wav,mp3,ogg,flac,aac",
}
_BOX_NAMES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_HDR_TRANSFERS = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Open the container at `path` for reading; raise NotAVideo or DamagedVideo where that fails."""
    try:
        container = av.open(
            str(path.resolve()), "r", container_options=_CONTAINER_OPTIONS, metadata_errors="replace"
        )
    except FileNotFoundError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise _unopened(path, error) from error
    with container:
        if is_cut_short(path):
            raise DamagedVideo("the file ends before its Matroska segment does")
        yield container


def video_stream(container: InputContainer) -> VideoStream:
    """Return the stream to blur: the first that is no cover picture."""
    moving = [stream for stream in container.streams.video if not _is_picture(stream)]
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
        if stream.index not in wanted:
            stream.discard = Discard.all


def decoded_frames(
    container: InputContainer, stream: VideoStream, threads: int
) -> Generator[VideoFrame, None, None]:
    """Yield every frame in the order of presentation.

    Raise DamagedVideo where a packet or frame is missing or broken: FFmpeg's own way is to go on.
    """
    context = stream.codec_context
    context.thread_type = "AUTO"
    context.thread_count = threads
    context.options = {"err_detect": "explode"}
    census = _Census(stream)
    try:
        for packet in container.demux(stream):
            census.count_packet(packet)
            for frame in packet.decode():
                census.count_frame(frame)
                yield frame
    except av.FFmpegError as error:
        raise DamagedVideo(f"{census.position}: {error.strerror}") from error
    census.close()


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


def require_renderable(frame: VideoFrame) -> None:
    """Raise UnsupportedVideo where `frame` cannot be written as 8-bit H.264 without changing its looks."""
    if frame.color_trc in _HDR_TRANSFERS:
        raise UnsupportedVideo(f"HDR video (transfer {ColorTrc(frame.color_trc).name}) is not rendered yet")
    if frame.width % 2 or frame.height % 2:
        raise UnsupportedVideo(f"odd frame size {frame.width}x{frame.height} does not fit H.264 4:2:0")


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """Return the nine numbers of FFmpeg's display matrix, or None where the frame is shown as coded."""
    try:
        matrix = cast("Mapping[SideDataType, Any]", frame.side_data).get(SideDataType.DISPLAYMATRIX)
    except ValueError as error:
        raise UnsupportedVideo(f"the first frame has side data of an unknown kind: {error}") from error
    return None if matrix is None else tuple(memoryview(matrix).cast("B").cast("i"))


class _Census:
    """Counts packets and frames of one stream, so that a missing one is noticed."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._packets = 0
        self._frames = 0
        self._last_pts: int | None = None
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
        if packet.is_discard:
            return
        if self._frames:
            self._expected += 1
        else:
            self._early_pts.append(packet.pts)

    def count_frame(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise DamagedVideo(f"{self.position}: a frame is marked as corrupt")
        pts = presentation_time(frame)
        if self._last_pts is not None and pts <= self._last_pts:
            raise DamagedVideo(f"{self.position}: pts {pts} follows {self._last_pts}")
        if not self._frames:
            self._expected += sum(early is None or early >= pts for early in self._early_pts)
        self._frames += 1
        self._last_pts = pts

    def close(self) -> None:
        indexed = len(self._stream.index_entries)
        if self._packets < indexed:
            raise DamagedVideo(f"the index promises {indexed} packets, {self._packets} are there")
        if not self._frames:
            raise DamagedVideo("the video stream has no frame")
        if self._frames < self._expected:
            raise DamagedVideo(f"{self._expected} frames are expected, {self._frames} can be decoded")


def _is_picture(stream: Stream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _unopened(path: Path, error: av.FFmpegError | ValueError) -> NotAVideo | DamagedVideo:
    with path.open("rb") as file:
        head = file.read(8)
    reason = error.strerror if isinstance(error, av.FFmpegError) else error
    if not head:
        return NotAVideo("the file is empty")
    if head[4:8] in _BOX_NAMES or head.startswith(EBML_MAGIC):
        return DamagedVideo(f"the file begins as a video, but its index is missing or broken: {reason}")
    return NotAVideo(f"the file is not in a known video format: {reason}")
