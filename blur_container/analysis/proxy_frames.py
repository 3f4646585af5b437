"""Reduced pictures: the luma of decoded frames at a fraction of their size, fewer of them where little moves.

Frames that no other refers to can be left out at no risk for the rest. Other B-frames cannot: P-frames refer
to them too, and show an older picture in their place until the next keyframe, off by up to 77 steps of luma.
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
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from blur_container.geometry import Picture, Size
from blur_container.limits import Limits
from blur_container.reading.decode_checks import is_marker
from blur_container.reading.timestamps import presentation_time, reorder_options
from blur_container.reading.video import read_only
from blur_container.timing import MS_PER_S, Clock
from chalicelib.contract.errors import DamagedVideo

_LONG_SIDE_PX = 640
# Below this rate every frame counts.
_RATE_MIN = 24
# How much earlier to look for a keyframe, step by step: a seek goes by the order of decoding, what a group
# of frames needs from the one before is not shown, and some streams refresh their picture bit by bit.
_SEEK_MS = (0, 3000, 12_000)
# A frame of a detection has its time, cut or rounded to milliseconds.
_SAMPLE_MS = 2.0
# What is left out is chosen anew in every such cell of time, so that all looks see the same pictures,
# wherever they begin.
CELL_MS = 1000


class Skip(str, Enum):
    """Which frames the decoder leaves out, in FFmpeg's words."""

    NOTHING = "DEFAULT"
    UNREFERENCED = "NONREF"


@dataclass(frozen=True)
class ProxyFrame:
    """A reduced picture and its time in milliseconds from the first frame."""

    time_ms: float
    picture: Picture


class ProxyFrames:
    """The reduced frames of one stream, read from any moment on.

    `looked` is told how many frames were passed, of how many. `skip` may be changed between two frames; the
    frames at `samples_ms`, sorted, are always decoded, and all that is read until the first frame of a cell.
    All pictures have the shape of a frame of `size`, or of the first: others are stretched, as boxes are.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        samples_ms: Sequence[int],
        looked: Callable[[int, int], None],
        size: Size | None = None,
    ) -> None:
        self._container, self._stream, self._clock, self._looked = container, stream, clock, looked
        self._samples_ms = samples_ms
        self._may_skip = (stream.average_rate or 0) >= _RATE_MIN
        self._shrink = _Shrink(size)
        self._cell = -1
        self._begin_ms = 0.0
        self.skip = Skip.NOTHING
        # Whether the last frame that was read is the last of the stream.
        self.has_ended = False

    def between(self, begin_ms: float, end_ms: float) -> Iterator[ProxyFrame]:
        """Yield what is decoded of the frames from `begin_ms` to `end_ms`; raise DamagedVideo."""
        for time_ms, frame in self._decoded(begin_ms, end_ms):
            yield ProxyFrame(time_ms, self._shrink.picture(frame))

    def in_colour(
        self, every_ms: int, begin_ms: float, end_ms: float
    ) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Yield (ms, RGB picture (height, width, 3)) of the first frame behind each multiple of `every_ms`.

        They are the same ones wherever the span begins.
        """
        turn = -1
        for time_ms, frame in self._decoded(begin_ms - every_ms, end_ms):
            turn, before = int((time_ms + _SAMPLE_MS) // every_ms), turn
            if turn > before and time_ms >= begin_ms:
                yield time_ms, self._shrink.colours(frame)

    def _decoded(self, begin_ms: float, end_ms: float) -> Iterator[tuple[float, VideoFrame]]:
        self._begin_ms, self.has_ended = begin_ms, False
        try:
            for time_ms, frame in self._from(max(begin_ms, 0.0)):
                if time_ms > end_ms:
                    return
                if time_ms >= begin_ms:
                    self._looked(self._passed(time_ms), self._stream.frames)
                    yield time_ms, frame
            self.has_ended = True
        except av.FFmpegError as error:
            raise DamagedVideo(f"a frame cannot be decoded: {error.strerror}") from error

    def _from(self, begin_ms: float) -> Iterator[tuple[float, VideoFrame]]:
        """Return the decoded frames with their times, the first of them not after `begin_ms` if possible."""
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
            self._choose(packet)
            for frame in packet.decode():
                time_ms = float(self._clock.ms(presentation_time(frame)))
                self._cell = cell_of(time_ms)
                yield time_ms, frame

    def _passed(self, time_ms: float) -> int:
        """Return about how many frames lie before a moment."""
        return int(time_ms * (self._stream.average_rate or 0) / MS_PER_S)

    def _choose(self, packet: Packet[VideoStream]) -> None:
        """Tell the decoder whether it may leave out the frame in `packet`."""
        skip = Skip.NOTHING
        if self._may_skip and packet.pts is not None:
            skip = self._skip_at(float(self._clock.ms(packet.pts)))
        self._stream.codec_context.skip_frame = skip.value

    def _skip_at(self, time_ms: float) -> Skip:
        if time_ms < self._begin_ms:
            return Skip.UNREFERENCED  # On the way from the keyframe only what others refer to is needed.
        is_fixed = cell_of(time_ms) > self._cell or self._is_sampled(time_ms)
        return Skip.NOTHING if is_fixed else self.skip

    def _is_sampled(self, time_ms: float) -> bool:
        nearest = bisect_left(self._samples_ms, time_ms - _SAMPLE_MS)
        return nearest < len(self._samples_ms) and self._samples_ms[nearest] <= time_ms + _SAMPLE_MS


def cell_of(time_ms: float) -> int:
    """Return the number of the cell that a moment lies in."""
    return int(time_ms // CELL_MS)


def open_decoder(container: InputContainer, stream: VideoStream, threads: int, limits: Limits) -> None:
    """Prepare the decoder for reduced pictures; the edges between its blocks are not smoothed."""
    read_only(container, [stream])
    context = stream.codec_context
    context.thread_type, context.thread_count = "AUTO", threads
    order = reorder_options(context.name)
    context.options = {"skip_loop_filter": "all", **order, **limits.decoder_options()}


class _Shrink:
    """Brings frames to luma of 8 bits, at a whole fraction of the size of one of them."""

    def __init__(self, size: Size | None) -> None:
        self._reformatter = VideoReformatter()  # One for all: building it takes longer than using it.
        self._first = size

    def picture(self, frame: VideoFrame) -> Picture:
        """Return uint8 (height, width); up to a fraction's worth of pixels is cut on the right and below."""
        own = Size(frame.width, frame.height)
        self._first = self._first or own
        factor, size = _reduction(self._first)
        luma = _luma(frame) if _has_luma(frame) else _luma(self._reformatter.reformat(frame, format="gray"))
        whole = luma[: size[1] * factor, : size[0] * factor] if own == self._first else luma
        return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)

    def colours(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return uint8 (height, width, 3), red first."""
        _, (width, height) = _reduction(Size(frame.width, frame.height))
        small = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        return np.asarray(small.to_ndarray(), np.uint8)


def _reduction(size: Size) -> tuple[int, tuple[int, int]]:
    """Return the divisor of a frame's sides, and (width, height) divided by it."""
    divisor = max(1, round(max(size.width, size.height) / _LONG_SIDE_PX))
    return divisor, (max(1, size.width // divisor), max(1, size.height // divisor))


def _has_luma(frame: VideoFrame) -> bool:
    pixels = frame.format
    return not pixels.is_rgb and pixels.is_planar and pixels.components[0].bits == 8  # noqa: PLR2004 a byte


def _luma(frame: VideoFrame) -> Picture:
    plane = frame.planes[0]
    flat = np.frombuffer(memoryview(plane), np.uint8)
    return flat.reshape(-1, plane.line_size)[: plane.height, : plane.width]
