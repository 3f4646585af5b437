"""Limits: what a source may ask of memory and time; past them it is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from chalicelib.contract.errors import VideoTooLarge

_MEBIBYTE = 1024**2
_HOUR_S = 3600
# Up to so many times the limit an error tells the size that was found.
_NAMED = 4


@dataclass(frozen=True)
class Limits:
    """The most a source may hold."""

    side_px: int = 8192
    # 8K, in either direction: a decoder holds up to 17 such frames.
    frame_px: int = 7680 * 4320
    # What Rekognition Video analyses at most.
    duration_s: int = 6 * _HOUR_S
    # Cameras begin at the time of day; no clock of a recording begins later.
    start_s: int = 48 * _HOUR_S
    streams: int = 32
    # Fonts of a film, which nobody plays: each is held in memory.
    attachments: int = 256
    packet_bytes: int = 64 * _MEBIBYTE
    probe_bytes: int = 16 * _MEBIBYTE
    probe_s: int = 10

    def container_options(self) -> dict[str, str]:
        """Return what holds FFmpeg's demuxer to these limits while it opens a file."""
        return {
            "probesize": str(self.probe_bytes),
            "analyzeduration": str(self.probe_s * 1_000_000),
            # One more than allowed is let through, to be refused by its name.
            "max_streams": str(self.streams + self.attachments + 1),
        }

    def decoder_options(self) -> dict[str, str]:
        """Return what keeps a decoder from making room for frames far over the limit.

        It says no more than "invalid argument" then: frames a little over are let through, to be named.
        """
        return {"max_pixels": str(_NAMED * self.frame_px)}

    def require_frame(self, width: int, height: int) -> None:
        """Raise VideoTooLarge where a frame has too many pixels."""
        if max(width, height) > self.side_px or width * height > self.frame_px:
            raise VideoTooLarge(
                f"frames of {width}x{height} are over {self.frame_px} pixels, or {self.side_px} on a side"
            )

    def require_streams(self, count: int, attachments: int = 0) -> None:
        """Raise VideoTooLarge where a container holds too many streams, beside `attachments` of its own."""
        if count > self.streams:
            raise VideoTooLarge(f"more than {self.streams} streams")
        if attachments > self.attachments:
            raise VideoTooLarge(f"more than {self.attachments} streams of attachments")

    def require_duration(self, duration_s: Fraction) -> None:
        """Raise VideoTooLarge where a video lasts too long."""
        if duration_s > self.duration_s:
            raise VideoTooLarge(f"{float(duration_s):.0f} s are over {self.duration_s} s")

    def require_start(self, start_s: Fraction) -> None:
        """Raise VideoTooLarge where the times of a video begin too far from zero."""
        if abs(start_s) > self.start_s:
            raise VideoTooLarge(f"times that begin at {float(start_s):.0f} s are over {self.start_s} s")

    def require_packet(self, size_bytes: int) -> None:
        """Raise VideoTooLarge where a packet has too many bytes."""
        if size_bytes > self.packet_bytes:
            raise VideoTooLarge(f"a packet of {size_bytes} bytes is over {self.packet_bytes}")
