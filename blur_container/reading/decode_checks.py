"""The census: counts the packets and frames of one stream, so that a missing one is noticed."""

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
    """Frames that a source has and its output has not, as in every player.

    `lost` ones are shown before the first that can be decoded; of frames of one time only the last is shown,
    all others are `merged`.
    """

    lost: int = 0
    merged: int = 0


class DecodeCounter:
    """Counts packets and frames of one stream, so that a missing one is noticed."""

    def __init__(self, stream: VideoStream, limits: Limits, tally: Tally) -> None:
        self.tally = tally
        self._stream = stream
        self._limits = limits
        self._time_base = time_base(stream)
        self._first_pts: int | None = None
        self._packets = 0
        self._frames = 0
        self._last_pts: int | None = None
        # Of which only frames are expected and counted.
        self.decode_range: DecodeRange | None = None
        # Packets until the first frame; those shown before it belong to a group cut off at the start.
        self._early_pts: list[int | None] = []
        self._expected = 0
        self._fields = FieldPackets(stream)
        # When the last of the fields ends that are packets of their own.
        self.fields_end_pts = 0

    @property
    def position(self) -> str:
        """Return how far the decoder came, in words."""
        return f"after {self._frames} decoded frames and {self._packets} packets"

    def count_packet(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet; raise DamagedVideo, UnsupportedVideo or VideoTooLarge."""
        if not packet.size:
            return
        self._packets += 1
        if packet.is_corrupt:
            raise DamagedVideo(f"{self.position}: a packet is cut short")
        if packet.has_sidedata("encryption_info"):
            raise UnsupportedVideo("the video is encrypted")
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
        """Take note of a frame; raise DamagedVideo or VideoTooLarge."""
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
        # The container's word for its duration need not be true.
        self.require_end(pts)
        self._frames += 1
        self._last_pts = pts

    def require_end(self, pts: int) -> None:
        """Raise VideoTooLarge where the video lasts too long up to `pts`."""
        self._limits.require_duration((pts - (self._first_pts or 0)) * self._time_base)

    def require_whole_index(self) -> None:
        """Raise DamagedVideo unless all packets in the container's index were read."""
        indexed = promised_packets(self._stream)
        if self._packets < indexed:
            raise DamagedVideo(f"the index promises {indexed} packets, {self._packets} are there")

    def close(self) -> None:
        """Raise DamagedVideo where frames are missing."""
        if not self._frames:
            raise DamagedVideo("the video stream has no frame")
        if self._frames < self._expected:
            raise DamagedVideo(f"{self._expected} frames are expected, {self._frames} can be decoded")


def is_marker(packet: Packet[Any]) -> bool:
    """Return whether `packet` is a sample without bytes, which stands for a dropped one.

    For the decoder it would be the end of the stream; that packet has no time.
    """
    return not packet.size and packet.dts is not None


def promised_packets(stream: Stream) -> int:
    """Return how many packets the container's index promises.

    A sample without bytes stands for one that was dropped, and is no packet; some containers tell no sizes.
    """
    filled = sum(entry.size > 0 for entry in stream.index_entries)
    return filled or len(stream.index_entries)
