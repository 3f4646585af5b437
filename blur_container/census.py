"""The census: counts the packets and frames of one stream, so that a missing one is noticed."""

from __future__ import annotations

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.limits import Limits
from blur_container.span import Span
from blur_container.times import presentation_time, time_base
from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo


class Census:
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
        if packet.is_discard:
            return
        if self.span is not None:
            self._expected += packet.pts is not None and self.span.holds(packet.pts)
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
        """Raise DamagedVideo unless all packets in the container's index were read."""
        indexed = len(self._stream.index_entries)
        if self._packets < indexed:
            raise DamagedVideo(f"the index promises {indexed} packets, {self._packets} are there")

    def close(self) -> None:
        """Raise DamagedVideo where frames are missing."""
        if not self._frames:
            raise DamagedVideo("the video stream has no frame")
        if self._frames < self._expected:
            raise DamagedVideo(f"{self._expected} frames are expected, {self._frames} can be decoded")
