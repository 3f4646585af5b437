"""Audio: packets copied bit for bit, or encoded as AAC where MP4 cannot hold what the source has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo

# What MP4 has a place for and players look for there. FFmpeg would write PCM and Vorbis too.
_MP4_CODECS = frozenset(
    ("aac", "ac3", "alac", "dca", "eac3", "flac", "libopus", "mp2", "mp2float", "mp3", "mp3float", "opus")
)
_AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")
_AAC_BITS_PER_CHANNEL = 96_000
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


@dataclass(frozen=True)
class StreamDigest:
    """What identifies the packets of one stream: their number and the hash of their bytes, in order."""

    packets: int
    hexdigest: str


class PacketDigest:
    """Counts and hashes the packets of one stream as they pass."""

    def __init__(self) -> None:
        self._packets = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, packet: Packet[Any]) -> None:
        """Take in one packet."""
        self._packets += 1
        self._hash.update(memoryview(packet))

    def result(self) -> StreamDigest:
        """Return the digest of all packets so far."""
        return StreamDigest(self._packets, self._hash.hexdigest())


class CopiedStream:
    """A stream of the output that takes the packets of the source as they are."""

    change: str | None = None

    def __init__(self, target: OutputContainer, source: Any) -> None:
        try:
            self.stream = target.add_stream_from_template(source)
        except ValueError as error:
            raise UnsupportedVideo(f"stream {source.index} cannot be copied into MP4: {error}") from error

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return what is written for one packet of the source."""
        return [packet]

    def rest(self) -> list[Packet[Any]]:
        """Return what is written at the end."""
        return []


class EncodedSound:
    """An AAC stream of the output, encoded from sound that MP4 cannot hold."""

    def __init__(self, target: OutputContainer, source: AudioStream) -> None:
        self._source = source
        codec, rate = source.codec_context.name, _aac_rate(source.rate)
        self.change = f"audio stream {source.index}: {codec} became aac"
        self.stream = target.add_stream("aac", rate=rate)
        context = self.stream.codec_context
        context.layout = _aac_layout(source)
        context.bit_rate = _AAC_BITS_PER_CHANNEL * context.layout.nb_channels

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return what is written for one packet of the source."""
        return self._encoded(self._decoded(packet))

    def rest(self) -> list[Packet[Any]]:
        """Return what is written at the end."""
        return [*self._encoded(self._decoded(None)), *self.stream.encode(None)]

    def _decoded(self, packet: Packet[Any] | None) -> Sequence[AudioFrame]:
        try:
            return self._source.decode(packet)
        except av.FFmpegError as error:
            raise DamagedVideo(
                f"audio stream {self._source.index} cannot be decoded: {error.strerror}"
            ) from error

    def _encoded(self, frames: Sequence[AudioFrame]) -> list[Packet[Any]]:
        return [packet for frame in frames for packet in self.stream.encode(frame)]


def is_held_by_mp4(stream: AudioStream) -> bool:
    """Return whether the packets of `stream` can be copied into MP4."""
    return stream.codec_context.name in _MP4_CODECS


def _aac_rate(rate: int) -> int:
    return next((held for held in _AAC_RATES if held >= rate), _AAC_RATES[-1])


def _aac_layout(source: AudioStream) -> str:
    layout = source.codec_context.layout
    if layout.name in _AAC_LAYOUTS:
        return layout.name
    return "mono" if layout.nb_channels == 1 else "stereo"
