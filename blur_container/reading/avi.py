"""AVI: it tells in which order frames are decoded; when they are shown is found by decoding them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.limits import Limits
from blur_container.reading.gop import Groups, decode_times
from blur_container.reading.source import Source
from blur_container.reading.timestamps import reorder_options, time_base
from blur_container.reading.video import open_source, read_only, video_stream
from blur_container.scratch import raise_if_full
from chalicelib.contract.errors import DamagedVideo, OutputMismatch, UnsupportedVideo

_AVI = "avi"
# A frame that repeats the one before takes seven bytes (ISO/IEC 14496-2, vop_coded 0), with some padding.
_REPEATED_BYTES = 16


@contextmanager
def with_times(source: Source, folder: Path, limits: Limits) -> Iterator[Source]:
    """Yield `source`, or, of an AVI whose frames may be reordered, a copy of its video with their times.

    The copy lies in `folder` until the end of this context. The n-th frame that is shown gets the time of the
    n-th packet. Raise DamagedVideo where a frame is missing.
    """
    with open_source(source, limits) as container:
        is_plain = tells_times(container) or video_stream(container).codec_context.codec.intra_only
    if is_plain:
        yield source
        return
    order = _order(source, limits)
    target = folder / "video-with-times.mov"
    try:
        _write(source, target, order, limits)
        yield target
    finally:
        target.unlink(missing_ok=True)


def tells_times(container: InputContainer) -> bool:
    """Return whether a container says when frames are shown."""
    return container.format.name != _AVI


@dataclass(frozen=True)
class _Order:
    """When the frame of each packet is shown, by the number of the packet; those left out are not in it."""

    pts: dict[int, int]

    def dts(self) -> Iterator[int]:
        coded = array("q", self.pts.values())
        return iter(decode_times(sorted(coded), Groups(coded, array("q", [0])).reorder_delay()))


def _order(source: Source, limits: Limits) -> _Order:
    with open_source(source, limits) as container:
        stream = video_stream(container)
        limits.require_frame(stream.codec_context.width, stream.codec_context.height)
        read_only(container, [stream])
        stream.codec_context.thread_type = "AUTO"
        order = reorder_options(stream.codec_context.name)
        stream.codec_context.options = {"err_detect": "explode", **order, **limits.decoder_options()}
        times, shown, may_repeat = array("q"), array("q"), set()
        try:
            for number, packet in enumerate(_packets(container, stream, limits)):
                times.append(packet.dts if packet.dts is not None else number)
                if packet.size <= _REPEATED_BYTES:
                    may_repeat.add(number)
                packet.pts = number
                shown.extend(_numbers(stream, packet))
            shown.extend(_numbers(stream, None))
        except av.FFmpegError as error:
            raise DamagedVideo(f"after {len(shown)} decoded frames: {error.strerror}") from error
    return _Order(_times_shown(times, shown, may_repeat))


def _times_shown(times: array[int], shown: array[int], may_repeat: set[int]) -> dict[int, int]:
    if not shown:
        raise DamagedVideo("the video stream has no frame")
    decoded = set(shown)
    if len(decoded) != len(shown):
        raise UnsupportedVideo("the AVI holds two frames in one packet")
    missing = [number for number in range(len(times)) if number not in decoded]
    # What comes before the first keyframe no player shows: it stays, to be counted as lost.
    early = [number for number in missing if number < min(decoded)]
    if len(missing) - len(early) > len(may_repeat.intersection(missing[len(early) :])):
        raise DamagedVideo(f"{len(times) - len(early)} frames are expected, {len(shown)} can be decoded")
    kept = [*early, *sorted(decoded)]
    pts = dict(zip([*early, *shown], (times[number] for number in kept), strict=True))
    return {number: pts[number] for number in kept}


def _numbers(stream: VideoStream, packet: Packet[VideoStream] | None) -> Iterator[int]:
    for frame in stream.codec_context.decode(packet):
        if frame.is_corrupt or frame.pts is None:
            raise DamagedVideo("a frame is marked as corrupt")
        yield frame.pts


def _packets(container: InputContainer, stream: VideoStream, limits: Limits) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream, one frame in each."""
    # DivX and Xvid pack a frame with the one it refers to.
    is_packed = stream.codec_context.name == "mpeg4"
    unpack = BitStreamFilterContext("mpeg4_unpack_bframes", stream) if is_packed else None
    for packet in container.demux(stream):
        if packet.size:
            limits.require_packet(packet.size)
            yield from unpack.filter(packet) if unpack else [packet]


def _write(source: Source, target: Path, order: _Order, limits: Limits) -> None:
    with open_source(source, limits) as container:
        stream = video_stream(container)
        read_only(container, [stream])
        unit, dts = time_base(stream), order.dts()
        options = {"video_track_timescale": str(unit.denominator)}
        try:
            with av.open(str(target), "w", format="mov", container_options=options) as copy:
                video: Any = copy.add_stream_from_template(stream, opaque=True)
                for number, packet in enumerate(_packets(container, stream, limits)):
                    if number in order.pts:
                        packet.pts, packet.dts, packet.time_base = order.pts[number], next(dts), unit
                        packet.stream = video
                        copy.mux_one(packet)
        except ValueError as error:
            raise UnsupportedVideo(f"an AVI whose video no other file can hold: {error}") from error
        except av.FFmpegError as error:
            raise_if_full(error.errno, error)
            raise OutputMismatch(f"the frames' times cannot be written: {error.strerror}") from error
