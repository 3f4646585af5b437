"""Subtitles: copy or convert text to mov_text; MP4 has no place for subtitles as pictures."""

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
# A length of zero, which ends a subtitle in MP4; the muxer writes such packets itself.
_EMPTY_BYTES = 2
_MILLISECONDS = Fraction(1, 1000)


class CopiedText(CopiedStream):
    """Copies the packets of one subtitle stream, except empty ones."""

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return the packets to write for one packet of the source."""
        return [packet] if shows_text(packet) else []


class ConvertedText:
    """Converts the packets of one subtitle stream to mov_text."""

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
        """Return the packets to write for one packet of the source."""
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
        """Return the packets to write after the last one of the source."""
        return []


def shows_text(packet: Packet[Any]) -> bool:
    """Return whether a mov_text packet has any text."""
    return packet.size > _EMPTY_BYTES


def is_held_by_mp4(stream: SubtitleStream) -> bool:
    """Return whether packets of `stream` can be copied into MP4."""
    return stream.codec_context.name == _MP4_CODEC


def is_text(stream: SubtitleStream) -> bool:
    """Return whether `stream` can be converted to mov_text."""
    return stream.codec_context.name in _TEXT_CODECS
