"""Subtitles: text copied, or converted to the form of MP4; pictures of text have no place there."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from blur_container.writing.audio import CopiedStream
from chalicelib.contract.errors import DamagedVideo

_MP4_CODEC = "mov_text"
_TEXT_CODECS = ("srt", "subrip", "ass", "ssa", "webvtt", "text")
# A length of zero: MP4 says so when a subtitle ends, and the muxer writes that itself.
_EMPTY_BYTES = 2
_MILLISECONDS = Fraction(1, 1000)


class CopiedText(CopiedStream):
    """A subtitle stream of the output that takes the packets of the source as they are."""

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return what is written for one packet of the source."""
        return [packet] if shows_text(packet) else []


class ConvertedText:
    """A subtitle stream of the output in the form of MP4, converted from another."""

    def __init__(self, target: OutputContainer, source: SubtitleStream) -> None:
        self._decoder = source.codec_context
        self._index = source.index
        self.change = f"subtitle stream {source.index}: {self._decoder.name} became {_MP4_CODEC}"
        self._decoder.open(strict=False)
        self.stream = cast("SubtitleStream", target.add_stream(_MP4_CODEC))
        self._encoder = self.stream.codec_context
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self._encoder.time_base = source.time_base or _MILLISECONDS

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return what is written for one packet of the source."""
        try:
            shown = self._decoder.decode2(packet)
            converted = self._encoder.encode_subtitle(shown) if shown else None
        except av.FFmpegError as error:
            raise DamagedVideo(f"subtitle stream {self._index} cannot be read: {error.strerror}") from error
        if converted is None or not shows_text(converted):
            return []
        converted.pts = converted.dts = packet.pts
        converted.duration = packet.duration or 0
        converted.time_base = packet.time_base
        return [converted]

    def rest(self) -> list[Packet[Any]]:
        """Return what is written at the end."""
        return []


def shows_text(packet: Packet[Any]) -> bool:
    """Return whether a packet of MP4 text holds any."""
    return packet.size > _EMPTY_BYTES


def is_held_by_mp4(stream: SubtitleStream) -> bool:
    """Return whether the packets of `stream` can be copied into MP4."""
    return stream.codec_context.name == _MP4_CODEC


def is_text(stream: SubtitleStream) -> bool:
    """Return whether `stream` can be converted to the form of MP4."""
    return stream.codec_context.name in _TEXT_CODECS
