"""Audio: packets copied bit for bit, counted and hashed on their way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo

_KEPT_TAGS = ("language",)


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


class AudioCopy:
    """Copies all audio streams of one container into another, in step with its video."""

    def __init__(self, source: InputContainer, target: OutputContainer) -> None:
        self._streams = list(source.streams.audio)
        self._targets = {stream.index: _twin(target, stream) for stream in self._streams}
        self._digests = {stream.index: PacketDigest() for stream in self._streams}
        self._output = target
        self._packets = self._read(source)
        self._waiting: Packet[AudioStream] | None = None

    def write_until(self, moment: Fraction) -> None:
        """Write the packets that begin up to `moment`, in seconds."""
        while (packet := self._next()) is not None:
            if packet.dts is not None and packet.dts * packet.time_base > moment:
                self._waiting = packet
                return
            self._write(packet)

    def write_rest(self) -> None:
        """Write all packets that are left; raise DamagedVideo where some are missing."""
        while (packet := self._next()) is not None:
            self._write(packet)

    def digests(self) -> tuple[StreamDigest, ...]:
        """Return what was written to each stream."""
        return tuple(digest.result() for digest in self._digests.values())

    def _next(self) -> Packet[AudioStream] | None:
        packet, self._waiting = self._waiting, None
        return packet or next(self._packets, None)

    def _read(self, source: InputContainer) -> Iterator[Packet[AudioStream]]:
        if not self._streams:
            return
        try:
            packets = cast("Iterator[Packet[AudioStream]]", source.demux(*self._streams))
            for packet in packets:
                if packet.is_corrupt:
                    raise DamagedVideo(f"audio stream {packet.stream.index}: a packet is cut short")
                if packet.size:
                    yield packet
        except av.FFmpegError as error:
            raise DamagedVideo(f"the audio cannot be read to its end: {error.strerror}") from error
        self._require_whole()

    def _require_whole(self) -> None:
        for stream in self._streams:
            indexed, copied = len(stream.index_entries), self._digests[stream.index].result().packets
            if copied < indexed:
                raise DamagedVideo(
                    f"audio stream {stream.index}: the index promises {indexed} packets, {copied} are there"
                )

    def _write(self, packet: Packet[AudioStream]) -> None:
        self._digests[packet.stream.index].add(packet)
        packet.stream = self._targets[packet.stream.index]
        self._output.mux_one(packet)


def _twin(target: OutputContainer, stream: AudioStream) -> AudioStream:
    # PyAV says None here where FFmpeg has no decoder, against its own type hints.
    if cast("object", stream.codec_context) is None:
        raise UnsupportedVideo(f"audio stream {stream.index} is of an unknown kind")
    try:
        twin = target.add_stream_from_template(stream)
    except ValueError as error:
        raise UnsupportedVideo(f"audio stream {stream.index} cannot be copied into MP4: {error}") from error
    twin.metadata.update({tag: stream.metadata[tag] for tag in _KEPT_TAGS if tag in stream.metadata})
    return twin
