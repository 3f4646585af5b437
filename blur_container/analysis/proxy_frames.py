"""Proxy frames: the luma of decoded frames at a fraction of their size, fewer of them where little moves.

Unreferenced frames can be skipped without damage to others. Referenced B-frames cannot: P-frames refer to
them too, and would show an older picture until the next keyframe, off by up to 77 steps of luma.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from blur_container.geometry import Picture, Size
from blur_container.limits import Limits
from blur_container.reading.decode_checks import is_marker
from blur_container.reading.timestamps import presentation_time, reorder_options
from blur_container.reading.video import read_only
from blur_container.timing import MS_PER_S, Clock
from chalicelib.contract.errors import DamagedVideo

_LONG_SIDE_PX = 640
_LUMA_BITS = 8
# Below this rate (frames per second) no frame is skipped.
_RATE_MIN = 24
# How much earlier to seek for a keyframe, step by step: a seek follows the order of decoding, frames that
# need the previous GOP are not shown, and some streams refresh their picture bit by bit.
_SEEK_MS = (0, 3000, 12_000)
# A detection has the time of its frame, cut or rounded to milliseconds.
_SAMPLE_MS = 2.0
# Skipping starts anew in every cell of time of this length, so that passes decode the same frames, wherever
# they begin.
CELL_MS = 1000


class Skip(str, Enum):
    """The frames that the decoder skips, by FFmpeg's names."""

    NOTHING = "DEFAULT"
    UNREFERENCED = "NONREF"


@dataclass(frozen=True)
class ProxyFrame:
    """A scaled-down picture and its time in milliseconds from the first frame."""

    time_ms: float
    picture: Picture


class ProxyFrames:
    """Decodes the proxy frames of one stream from any time on.

    `progress` is called with the number of frames passed and of all frames. `skip` may be changed between two
    frames; the frames at `samples_ms`, which are sorted, and the first one in each `every_ms` (a second,
    unless it is set) are always decoded. All pictures have the shape of a frame of `size`, or of the first
    frame: frames of another size are stretched, as boxes are. `has_ended` is set when the last frame that was
    read ends the stream.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        samples_ms: Sequence[int],
        progress: Callable[[int, int], None],
        size: Size | None = None,
    ) -> None:
        self._container, self._stream, self._clock, self._progress = container, stream, clock, progress
        self._samples_ms = samples_ms
        self._may_skip = (stream.average_rate or 0) >= _RATE_MIN
        self._scaler = _Scaler(size)
        self._cell = -1
        self._begin_ms = 0.0
        self.skip = Skip.NOTHING
        self.every_ms = CELL_MS
        self.has_ended = False

    def between(self, begin_ms: float, end_ms: float) -> Iterator[ProxyFrame]:
        """Yield the proxy frames from `begin_ms` to `end_ms` that are not skipped.

        Raise DamagedVideo if a frame cannot be decoded.
        """
        for proxy, _ in self.with_frames(begin_ms, end_ms):
            yield proxy

    def with_frames(self, begin_ms: float, end_ms: float) -> Iterator[tuple[ProxyFrame, VideoFrame]]:
        """Yield the proxy frames as `between` does, each with the frame itself."""
        for time_ms, frame in self._decoded(begin_ms, end_ms):
            yield ProxyFrame(time_ms, self._scaler.luma(frame)), frame

    def _decoded(self, begin_ms: float, end_ms: float) -> Iterator[tuple[float, VideoFrame]]:
        self._begin_ms, self.has_ended = begin_ms, False
        try:
            for time_ms, frame in self._from(max(begin_ms, 0.0)):
                if time_ms > end_ms:
                    return
                if time_ms >= begin_ms:
                    passed = int(time_ms * (self._stream.average_rate or 0) / MS_PER_S)
                    self._progress(passed, self._stream.frames)
                    yield time_ms, frame
            self.has_ended = True
        except av.FFmpegError as error:
            raise DamagedVideo(f"a frame cannot be decoded: {error.strerror}") from error

    def _from(self, begin_ms: float) -> Iterator[tuple[float, VideoFrame]]:
        """Return (ms, frame) of the decoded frames, the first one not after `begin_ms` if possible."""
        frames: Iterator[tuple[float, VideoFrame]] = iter(())
        for earlier_ms in _SEEK_MS:
            frames = self._sought(max(begin_ms - earlier_ms, 0.0))
            first = next(frames, None)
            if first:
                frames = chain([first], frames)
                if first[0] <= begin_ms:
                    break
        return frames

    def _sought(self, begin_ms: float) -> Iterator[tuple[float, VideoFrame]]:
        self._container.seek(self._clock.pts(begin_ms), stream=self._stream)
        self._cell = -1
        for packet in self._container.demux(self._stream):
            if is_marker(packet):
                continue
            skip = Skip.NOTHING
            if self._may_skip and packet.pts is not None:
                skip = self._skip_at(float(self._clock.ms(packet.pts)))
            self._stream.codec_context.skip_frame = skip.value
            for frame in packet.decode():
                time_ms = float(self._clock.ms(presentation_time(frame)))
                self._cell = cell_of(time_ms, self.every_ms)
                yield time_ms, frame

    def _skip_at(self, time_ms: float) -> Skip:
        """Return the frames that the decoder may skip at a time."""
        if time_ms < self._begin_ms:
            return Skip.UNREFERENCED  # Between the keyframe and the begin only referenced frames are needed.
        nearest = bisect_left(self._samples_ms, time_ms - _SAMPLE_MS)
        is_sample = nearest < len(self._samples_ms) and self._samples_ms[nearest] <= time_ms + _SAMPLE_MS
        return Skip.NOTHING if is_sample or cell_of(time_ms, self.every_ms) > self._cell else self.skip


def cell_of(time_ms: float, length_ms: int = CELL_MS) -> int:
    """Return the number of the cell of this length that contains a time."""
    return int(time_ms // length_ms)


def open_decoder(container: InputContainer, stream: VideoStream, threads: int, limits: Limits) -> None:
    """Set up the decoder for proxy frames: without the loop filter, to save time."""
    read_only(container, [stream])
    context = stream.codec_context
    context.thread_type, context.thread_count = "AUTO", threads
    order = reorder_options(context.name)
    context.options = {"skip_loop_filter": "all", **order, **limits.decoder_options()}


class _Scaler:
    """Scales frames down by a whole divisor, so that the long side has about 640 pixels."""

    def __init__(self, size: Size | None) -> None:
        self._reformatter = VideoReformatter()  # Building one takes longer than using it.
        self._first = size

    def luma(self, frame: VideoFrame) -> Picture:
        """Return uint8 (height, width); pixels beyond a multiple of the divisor are cut right and below."""
        own = Size(frame.width, frame.height)
        self._first = self._first or own
        divisor, size = _scaled(self._first)
        pixels = frame.format
        has_luma = not pixels.is_rgb and pixels.is_planar and pixels.components[0].bits == _LUMA_BITS
        plane = (frame if has_luma else self._reformatter.reformat(frame, format="gray")).planes[0]
        flat = np.frombuffer(memoryview(plane), np.uint8)
        luma = flat.reshape(-1, plane.line_size)[: plane.height, : plane.width]
        whole = luma[: size[1] * divisor, : size[0] * divisor] if own == self._first else luma
        return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(size: Size) -> tuple[int, tuple[int, int]]:
    """Return the divisor of a frame's sides, and (width, height) divided by it."""
    divisor = max(1, round(max(size.width, size.height) / _LONG_SIDE_PX))
    return divisor, (max(1, size.width // divisor), max(1, size.height // divisor))
