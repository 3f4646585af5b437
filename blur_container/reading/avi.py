"""AVI: copy a video with presentation times, which AVI does not store and decoding reveals."""

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
# The size of a frame that repeats the one before: 7 bytes (ISO/IEC 14496-2, vop_coded 0) and padding.
_REPEATED_BYTES = 16


@contextmanager
def with_times(source: Source, folder: Path, limits: Limits) -> Iterator[Source]:
    """Yield `source`, or, for an AVI whose frames may be reordered, a copy of its video with frame times.

    The copy is in `folder` and is deleted with this context. The n-th shown frame gets the time of the n-th
    packet. Raise DamagedVideo where a frame is missing.
    """
    with open_source(source, limits) as container:
        # Frames of a codec that never reorders them are shown in the order of their packets.
        is_ordered = has_frame_times(container) or not video_stream(container).codec_context.codec.reorder
    if is_ordered:
        yield source
        return
    order = _order(source, limits)
    target = folder / "video-with-times.mov"
    try:
        _write(source, target, order, limits)
        yield target
    finally:
        target.unlink(missing_ok=True)


def has_frame_times(container: InputContainer) -> bool:
    """Return whether a container stores when frames are shown; AVI does not."""
    return container.format.name != _AVI


@dataclass(frozen=True)
class _Order:
    """The pts of each packet by its number in the file; packets without a frame to show are missing."""

    pts: dict[int, int]

    def dts(self) -> Iterator[int]:
        """Return the dts of the packets, in their order."""
        coded = array("q", self.pts.values())
        return iter(decode_times(sorted(coded), Groups(coded, array("q", [0])).reorder_delay()))


def _order(source: Source, limits: Limits) -> _Order:
    """Decode the video in `source` to find the order in which its frames are shown."""
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
                shown.extend(_decoded_numbers(stream, packet))
            shown.extend(_decoded_numbers(stream, None))
        except av.FFmpegError as error:
            raise DamagedVideo(f"after {len(shown)} decoded frames: {error.strerror}") from error
    return _Order(_times_shown(times, shown, may_repeat))


def _times_shown(times: array[int], shown: array[int], may_repeat: set[int]) -> dict[int, int]:
    """Return the pts by packet number, from the times of all packets and the numbers in order of showing."""
    if not shown:
        raise DamagedVideo("the video stream has no frame")
    decoded = set(shown)
    if len(decoded) != len(shown):
        raise UnsupportedVideo("the AVI has two frames in one packet")
    missing = [number for number in range(len(times)) if number not in decoded]
    # No player shows frames before the first keyframe: keep their packets, to be counted as lost.
    early = [number for number in missing if number < min(decoded)]
    if len(missing) - len(early) > len(may_repeat.intersection(missing[len(early) :])):
        raise DamagedVideo(f"{len(times) - len(early)} frames are expected, {len(shown)} can be decoded")
    kept = [*early, *sorted(decoded)]
    pts = dict(zip([*early, *shown], (times[number] for number in kept), strict=True))
    return {number: pts[number] for number in kept}


def _decoded_numbers(stream: VideoStream, packet: Packet[VideoStream] | None) -> Iterator[int]:
    """Yield the packet numbers of the frames that `packet` makes the decoder return."""
    for frame in stream.codec_context.decode(packet):
        if frame.is_corrupt or frame.pts is None:
            raise DamagedVideo("a frame is marked as corrupt")
        yield frame.pts


def _packets(container: InputContainer, stream: VideoStream, limits: Limits) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream, with one frame in each."""
    # DivX and Xvid pack a B-frame with the frame it refers to.
    is_packed = stream.codec_context.name == "mpeg4"
    unpack = BitStreamFilterContext("mpeg4_unpack_bframes", stream) if is_packed else None
    for packet in container.demux(stream):
        if packet.size:
            limits.require_packet(packet.size)
            yield from unpack.filter(packet) if unpack else [packet]


def _write(source: Source, target: Path, order: _Order, limits: Limits) -> None:
    """Copy the packets of `source` to the MOV `target`, with the times in `order`."""
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
            raise UnsupportedVideo(f"the video of this AVI cannot be copied into MOV: {error}") from error
        except av.FFmpegError as error:
            raise_if_full(error.errno, error)
            raise OutputMismatch(f"the copy with frame times cannot be written: {error.strerror}") from error
