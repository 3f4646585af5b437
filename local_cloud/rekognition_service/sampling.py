"""Sampling: reads a video's metadata and the last frame of each sampling interval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from blur_container.analysis.face_detector import analysis_size
from blur_container.reading.video import video_stream
from chalicelib.contract.errors import FaceBlurError

_QUARTER_TURN_DEG = 90
_MS_PER_S = 1000


class UnreadableVideo(Exception):
    """The file is not H.264 in MP4 or MOV, or none of its frames decodes."""


@dataclass(frozen=True)
class VideoMetadata:
    """VideoMetadata of GetFaceDetection; width and height are those of the displayed frame, in pixels."""

    codec: str
    duration_ms: int
    frame_rate: float
    width: int
    height: int
    full_range: bool


@dataclass(frozen=True)
class Sample:
    """One analysed frame: ms since the first frame, RGB picture (height, width, 3) as displayed."""

    time_ms: int
    picture: NDArray[np.uint8]


class SampledVideo:
    """An open H.264 video; it can be read once, from its start."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._stream.thread_type = "AUTO"
        self._reformatter = VideoReformatter()
        self._metadata: VideoMetadata | None = None

    @property
    def metadata(self) -> VideoMetadata:
        """Return the metadata, known after the first frame; raise UnreadableVideo where none decodes."""
        if self._metadata is None:
            raise UnreadableVideo("no frame decodes")
        return self._metadata

    def samples(self, interval_ms: int, long_side: int) -> Iterator[Sample]:
        """Yield the last frame of each interval, scaled to a longer side of `long_side` pixels."""
        waiting: tuple[Fraction, VideoFrame] | None = None
        for time_ms, frame in self._timed_frames():
            if waiting is not None and waiting[0] // interval_ms != time_ms // interval_ms:
                yield self._sample(*waiting, long_side)
            waiting = (time_ms, frame)
        if waiting is not None:
            yield self._sample(*waiting, long_side)

    def _timed_frames(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        start_ms: Fraction | None = None
        for frame in self._frames():
            if frame.pts is None or frame.time_base is None:
                continue
            pts_ms = frame.pts * frame.time_base * _MS_PER_S
            if start_ms is None:
                start_ms = pts_ms
                self._metadata = _describe(self._container, self._stream, frame)
            yield pts_ms - start_ms, frame

    def _frames(self) -> Iterator[VideoFrame]:
        """Yield the frames that decode; like Rekognition, skip damaged packets and stop at a cut-off end."""
        with suppress(av.FFmpegError):
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                yield from (frame for frame in frames if isinstance(frame, VideoFrame))

    def _sample(self, time_ms: Fraction, frame: VideoFrame, long_side: int) -> Sample:
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        size = analysis_size(round(frame.width * aspect), frame.height, long_side)
        return Sample(int(time_ms), upright_picture(frame, size, self._reformatter))


def upright_picture(
    frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    """Return the frame scaled to `size` (width, height as coded), then rotated as displayed, in RGB."""
    width, height = size
    small = reformatter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), k=quarter_turns(frame)))


@contextmanager
def open_sampled(path: Path) -> Iterator[SampledVideo]:
    """Open the H.264 video at `path`; raise UnreadableVideo for anything else."""
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UnreadableVideo(f"not a media container: {error}") from error
    with container:
        yield SampledVideo(container, _h264_stream(container))


def _h264_stream(container: InputContainer) -> VideoStream:
    if "mov" not in container.format.name.split(","):
        raise UnreadableVideo(f"the container is {container.format.name}, not MP4 or MOV")
    try:
        stream = video_stream(container)
    except FaceBlurError as error:
        raise UnreadableVideo(str(error)) from error
    if stream.codec_context.name != "h264":
        raise UnreadableVideo(f"the codec is {stream.codec_context.name}, not h264")
    return stream


def _describe(container: InputContainer, stream: VideoStream, frame: VideoFrame) -> VideoMetadata:
    turned = quarter_turns(frame) % 2 == 1
    if stream.duration is not None and stream.time_base is not None:
        duration_ms = int(stream.duration * stream.time_base * _MS_PER_S)
    else:
        duration_ms = (container.duration or 0) * _MS_PER_S // av.time_base
    return VideoMetadata(
        codec=stream.codec_context.name,
        duration_ms=duration_ms,
        frame_rate=float(stream.average_rate or 0),
        width=frame.height if turned else frame.width,
        height=frame.width if turned else frame.height,
        full_range=frame.color_range == ColorRange.JPEG,
    )


def quarter_turns(frame: VideoFrame) -> int:
    """Return the counterclockwise rotation of the display matrix in quarter turns, 0 to 3."""
    return round(frame.rotation / _QUARTER_TURN_DEG) % 4
