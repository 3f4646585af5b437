"""Limits of a source in memory and time; a source above them is refused with VideoTooLarge."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from chalicelib.contract.errors import VideoTooLarge

_MEBIBYTE = 1024**2
_HOUR_S = 3600
# Up to so many times the limit the error reports the size that was found.
_REPORTED = 4


@dataclass(frozen=True)
class Limits:
    """The largest source that is rendered."""

    side_px: int = 8192
    # 8K, in either direction: a decoder keeps up to 17 such frames.
    frame_px: int = 7680 * 4320
    # The longest video that Rekognition Video analyses.
    duration_s: int = 6 * _HOUR_S
    # Cameras begin at the time of day; no recording begins later.
    start_s: int = 48 * _HOUR_S
    streams: int = 32
    # Fonts of a film, which nobody plays: each is held in memory.
    attachments: int = 256
    packet_bytes: int = 64 * _MEBIBYTE
    probe_bytes: int = 16 * _MEBIBYTE
    probe_s: int = 10

    def container_options(self) -> dict[str, str]:
        """Return the options that keep FFmpeg's demuxer within these limits while it opens a file."""
        return {
            "probesize": str(self.probe_bytes),
            "analyzeduration": str(self.probe_s * 1_000_000),
            # One more than allowed passes, to be refused with its own error.
            "max_streams": str(self.streams + self.attachments + 1),
        }

    def decoder_options(self) -> dict[str, str]:
        """Return the options that keep a decoder from allocating frames far over the limit.

        Its error is "invalid argument" only: frames a little over the limit pass, to be refused with their
        size.
        """
        return {"max_pixels": str(_REPORTED * self.frame_px)}

    def require_frame(self, width: int, height: int) -> None:
        """Raise VideoTooLarge if a frame has too many pixels, or too many on a side."""
        if max(width, height) > self.side_px or width * height > self.frame_px:
            raise VideoTooLarge(
                f"the frames are {width}x{height}; the limit is {self.frame_px} pixels, and {self.side_px} "
                "on a side"
            )

    def require_streams(self, count: int, attachments: int = 0) -> None:
        """Raise VideoTooLarge if a container has too many streams, or too many attachments beside them."""
        if count > self.streams:
            raise VideoTooLarge(f"the file has more than {self.streams} streams, the limit")
        if attachments > self.attachments:
            raise VideoTooLarge(f"the file has more than {self.attachments} attachments, the limit")

    def require_duration(self, duration_s: Fraction) -> None:
        """Raise VideoTooLarge if a video lasts too long."""
        if duration_s > self.duration_s:
            raise VideoTooLarge(
                f"the video is {float(duration_s):.0f} s long; the limit is {self.duration_s} s"
            )

    def require_start(self, start_s: Fraction) -> None:
        """Raise VideoTooLarge if the times of a video begin too far from zero."""
        if abs(start_s) > self.start_s:
            raise VideoTooLarge(
                f"the times of the video begin at {float(start_s):.0f} s; the limit is {self.start_s} s"
            )

    def require_packet(self, size_bytes: int) -> None:
        """Raise VideoTooLarge if a packet has too many bytes."""
        if size_bytes > self.packet_bytes:
            raise VideoTooLarge(f"a packet has {size_bytes} bytes; the limit is {self.packet_bytes}")
