"""Decode checks: count the packets and frames of a stream, so that a missing one is an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.limits import Limits
from blur_container.reading.field_packets import FieldPackets
from blur_container.reading.timestamps import DecodeRange, presentation_time, time_base
from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo


@dataclass
class Tally:
    """Counts of source frames that the output does not have, because no player shows them.

    `lost` frames come before the first that can be decoded. Of several frames at one time only the last is
    shown; the others are `merged`.
    """

    lost: int = 0
    merged: int = 0


class DecodeCounter:
    """Counts packets and frames of one stream and raises an error where some are missing or broken."""

    def __init__(self, stream: VideoStream, limits: Limits, tally: Tally) -> None:
        self.tally = tally
        self._stream = stream
        self._limits = limits
        self._time_base = time_base(stream)
        self._first_pts: int | None = None
        self._packets = 0
        self._frames = 0
        self._last_pts: int | None = None
        # Only frames of this range are expected and counted; None for all.
        self.decode_range: DecodeRange | None = None
        # Packets until the first frame; those with an earlier pts belong to a GOP without its keyframe.
        self._early_pts: list[int | None] = []
        self._expected = 0
        self._fields = FieldPackets(stream)
        # When the last of the fields ends that are packets of their own.
        self.fields_end_pts = 0

    @property
    def position(self) -> str:
        """Return how many frames and packets were read so far, in words."""
        return f"after {self._frames} decoded frames and {self._packets} packets"

    def count_packet(self, packet: Packet[VideoStream]) -> None:
        """Count a packet before it is decoded; raise DamagedVideo, UnsupportedVideo or VideoTooLarge."""
        if not packet.size:
            return
        self._packets += 1
        require_intact(packet, "the video", self.position)
        self._limits.require_packet(packet.size)
        is_second = self._fields.is_second(packet)
        if packet.is_discard:
            return
        if is_second and packet.pts is not None:
            self.fields_end_pts = max(self.fields_end_pts, packet.pts + (packet.duration or 0))
        elif self.decode_range is not None:
            self._expected += packet.pts is not None and self.decode_range.holds(packet.pts)
        elif self._frames:
            self._expected += 1
        else:
            self._early_pts.append(packet.pts)

    def count_frame(self, frame: VideoFrame) -> None:
        """Count a decoded frame; raise DamagedVideo or VideoTooLarge."""
        if frame.is_corrupt:
            raise DamagedVideo(f"{self.position}: a frame is marked as corrupt")
        self._limits.require_frame(frame.width, frame.height)
        pts = presentation_time(frame)
        if self._last_pts is not None and pts < self._last_pts:
            raise DamagedVideo(f"{self.position}: pts {pts} follows {self._last_pts}")
        self.tally.merged += pts == self._last_pts
        if self._first_pts is None:
            self._first_pts = pts
            self._limits.require_start(pts * self._time_base)
            kept = sum(early is None or early >= pts for early in self._early_pts)
            self._expected += kept
            self.tally.lost = len(self._early_pts) - kept
        # The duration in the container need not be true.
        self.require_end(pts)
        self._frames += 1
        self._last_pts = pts

    def require_end(self, pts: int) -> None:
        """Raise VideoTooLarge where the time from the first frame to `pts` is over the limit."""
        self._limits.require_duration((pts - (self._first_pts or 0)) * self._time_base)

    def require_whole_index(self) -> None:
        """Raise DamagedVideo unless all packets in the container's index were read."""
        require_all_packets(self._stream, self._packets)

    def close(self) -> None:
        """Raise DamagedVideo where frames are missing."""
        if not self._frames:
            raise DamagedVideo("the video stream has no frame")
        if self._frames < self._expected:
            raise DamagedVideo(f"{self._expected} frames are expected, {self._frames} can be decoded")


def is_marker(packet: Packet[Any]) -> bool:
    """Return whether `packet` is a sample without bytes, which marks a dropped frame.

    A decoder takes such a packet for the end of the stream; the real end has no dts.
    """
    return not packet.size and packet.dts is not None


def require_intact(packet: Packet[Any], stream_name: str, position: str) -> None:
    """Raise DamagedVideo where `packet` is cut short, UnsupportedVideo where it is encrypted."""
    if packet.is_corrupt:
        raise DamagedVideo(f"{position}: a packet is cut short")
    if packet.has_sidedata("encryption_info"):
        raise UnsupportedVideo(f"{stream_name} is encrypted")


def require_all_packets(stream: Stream, packets: int, prefix: str = "") -> None:
    """Raise DamagedVideo where fewer packets were read than the container's index lists.

    Samples without bytes mark dropped frames and do not count; some containers index no sizes. Of subtitles
    such an index counts lines without text, which are no packets.
    """
    with_bytes = sum(entry.size > 0 for entry in stream.index_entries)
    if stream.type == "subtitle" and not with_bytes:
        return
    indexed = with_bytes or len(stream.index_entries)
    if packets < indexed:
        raise DamagedVideo(f"{prefix}the index lists {indexed} packets, the file has {packets}")
