"""Companions: the streams beside the video, written in step with it, counted and hashed on their way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from blur_container.reading.decode_checks import promised_packets
from blur_container.writing import audio, subtitles
from blur_container.writing.audio import CopiedStream, EncodedSound
from blur_container.writing.packet_digest import PacketDigest, StreamDigest
from blur_container.writing.stream_selection import SelectedStreams
from blur_container.writing.subtitles import ConvertedText, CopiedText
from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo


class Target(Protocol):
    """A stream of the output, and what becomes of the source's packets on their way there."""

    @property
    def stream(self) -> Any:
        """Return the stream of the output."""

    @property
    def change(self) -> str | None:
        """Return what is changed, in words."""

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return what is written for one packet of the source."""

    def rest(self) -> list[Packet[Any]]:
        """Return what is written at the end."""


@dataclass(frozen=True)
class RemuxedStreams:
    """What verification must find again beside the video, and what is not the source's own, in words."""

    audio: tuple[StreamDigest, ...]
    text: tuple[StreamDigest, ...]
    changes: tuple[str, ...]
    # Of each audio stream; None where its packets are the source's own.
    channels: tuple[int | None, ...] = ()


NOTHING_BESIDE = RemuxedStreams((), (), ())


class StreamRemuxer:
    """Writes the kept streams of a source into its output, in step with its video."""

    def __init__(self, selected: SelectedStreams, output: OutputContainer) -> None:
        self._selected = selected
        self._targets: dict[int, Target] = {
            stream.index: _target(output, stream) for stream in selected.streams
        }
        for stream in selected.streams:
            twin = self._targets[stream.index].stream
            twin.metadata.update(selected.stream_tags(stream))
            twin.disposition = stream.disposition
        self._digests = {stream.index: PacketDigest() for stream in selected.streams}
        self._output = output
        self._read_packets = dict.fromkeys(self._digests, 0)
        self._last_dts: dict[int, int] = {}
        self._overlap: dict[int, int] = {}
        self._packets = self._read(selected.source)
        self._waiting: Packet[Any] | None = None

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
        for index, target in self._targets.items():
            self._mux(index, target.rest())

    def written(self) -> RemuxedStreams:
        """Return what was written to all streams."""
        changes = tuple(target.change for target in self._targets.values() if target.change)
        sound, text = self._results(self._selected.sound), self._results(self._selected.text)
        channels = (getattr(self._targets[index], "channels", None) for index in sound)
        return RemuxedStreams(tuple(sound.values()), tuple(text.values()), changes, tuple(channels))

    def _results(self, streams: Sequence[Stream]) -> dict[int, StreamDigest]:
        results = {stream.index: self._digests[stream.index].result() for stream in streams}
        # The muxer leaves out a stream without packets.
        return {index: result for index, result in results.items() if result.packets}

    def _next(self) -> Packet[Any] | None:
        packet, self._waiting = self._waiting, None
        return packet or next(self._packets, None)

    def _read(self, source: InputContainer) -> Iterator[Packet[Any]]:
        if not self._targets:
            return
        try:
            for packet in cast("Iterator[Packet[Any]]", source.demux(*self._selected.streams)):
                # The last packet of a stream, and markers of samples that were dropped, hold nothing.
                if packet.size:
                    self._require_sound(packet)
                    yield packet
        except av.FFmpegError as error:
            raise DamagedVideo(f"the audio cannot be read to its end: {error.strerror}") from error
        self._require_whole()

    def _require_sound(self, packet: Packet[Any]) -> None:
        index = packet.stream.index
        self._read_packets[index] += 1
        if packet.is_corrupt:
            raise DamagedVideo(f"{packet.stream.type} stream {index}: a packet is cut short")
        if packet.has_sidedata("encryption_info"):
            raise UnsupportedVideo(f"{packet.stream.type} stream {index} is encrypted")
        if packet.is_discard:
            # What is not heard has times of its own; two pieces may share the time of one packet.
            self._overlap[index] = packet.duration or 0
        elif packet.dts is not None:
            if packet.dts + self._overlap.pop(index, 0) < self._last_dts.get(index, packet.dts):
                raise DamagedVideo(f"{packet.stream.type} stream {index}: its times go back")
            self._last_dts[index] = packet.dts

    def _require_whole(self) -> None:
        for stream in self._selected.streams:
            indexed, read = promised_packets(stream), self._read_packets[stream.index]
            # Lines without text are no packets; an index without sizes counts them all the same.
            is_counted = stream.type != "subtitle" or any(entry.size for entry in stream.index_entries)
            if is_counted and read < indexed:
                raise DamagedVideo(
                    f"{stream.type} stream {stream.index}: "
                    f"the index promises {indexed} packets, {read} are there"
                )

    def _write(self, packet: Packet[Any]) -> None:
        index = packet.stream.index
        self._mux(index, self._targets[index].packets(packet))

    def _mux(self, index: int, packets: Sequence[Packet[Any]]) -> None:
        for packet in packets:
            self._digests[index].add(packet)
            packet.stream = self._targets[index].stream
            self._output.mux_one(packet)


def _target(output: OutputContainer, stream: Stream) -> Target:
    if isinstance(stream, AudioStream):
        return CopiedStream(output, stream) if audio.is_held_by_mp4(stream) else EncodedSound(output, stream)
    if isinstance(stream, SubtitleStream) and not subtitles.is_held_by_mp4(stream):
        return ConvertedText(output, stream)
    if isinstance(stream, SubtitleStream):
        return CopiedText(output, stream)
    return CopiedStream(output, stream)
