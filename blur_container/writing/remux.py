"""Stream remuxing: copy or convert the streams beside the video, interleave and hash their packets."""

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

from blur_container.reading.decode_checks import require_all_packets, require_intact
from blur_container.writing import audio, subtitles
from blur_container.writing.audio import CopiedStream, EncodedSound
from blur_container.writing.packet_digest import PacketDigest, StreamDigest
from blur_container.writing.stream_selection import SelectedStreams
from blur_container.writing.subtitles import ConvertedText, CopiedText
from chalicelib.contract.errors import DamagedVideo


class Target(Protocol):
    """A stream of the output that turns the source's packets into its own."""

    @property
    def stream(self) -> Any:
        """Return the stream of the output."""

    @property
    def change(self) -> str | None:
        """Return how the stream differs from the source, in words; None where it does not."""

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return the packets to write for one packet of the source."""

    def rest(self) -> list[Packet[Any]]:
        """Return the packets to write after the last one of the source."""


@dataclass(frozen=True)
class RemuxedStreams:
    """The streams written beside the video: digests for the verification, and changes in words."""

    audio: tuple[StreamDigest, ...]
    text: tuple[StreamDigest, ...]
    changes: tuple[str, ...]
    # Of each audio stream; None where its packets are the source's own.
    channels: tuple[int | None, ...] = ()


NOTHING_BESIDE = RemuxedStreams((), (), ())


class StreamRemuxer:
    """Writes the selected streams of a source into its output, interleaved with the video."""

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
        self._next_packet: Packet[Any] | None = None

    def write_until(self, moment: Fraction) -> None:
        """Write the packets whose dts is at most `moment`, in seconds."""
        while (packet := self._next()) is not None:
            if packet.dts is not None and packet.dts * packet.time_base > moment:
                self._next_packet = packet
                return
            self._write(packet)

    def write_rest(self) -> None:
        """Write all packets that are left; raise DamagedVideo where some are missing."""
        while (packet := self._next()) is not None:
            self._write(packet)
        for index, target in self._targets.items():
            self._mux(index, target.rest())

    def written(self) -> RemuxedStreams:
        """Return the digests and changes of all streams, after `write_rest`."""
        changes = tuple(target.change for target in self._targets.values() if target.change)
        sound, text = self._results(self._selected.sound), self._results(self._selected.text)
        channels = (getattr(self._targets[index], "channels", None) for index in sound)
        return RemuxedStreams(tuple(sound.values()), tuple(text.values()), changes, tuple(channels))

    def _results(self, streams: Sequence[Stream]) -> dict[int, StreamDigest]:
        results = {stream.index: self._digests[stream.index].result() for stream in streams}
        # The muxer drops a stream without packets.
        return {index: result for index, result in results.items() if result.packets}

    def _next(self) -> Packet[Any] | None:
        packet, self._next_packet = self._next_packet, None
        return packet or next(self._packets, None)

    def _read(self, source: InputContainer) -> Iterator[Packet[Any]]:
        if not self._targets:
            return
        try:
            for packet in cast("Iterator[Packet[Any]]", source.demux(*self._selected.streams)):
                # The last packet of a stream, and markers of dropped samples, are empty.
                if packet.size:
                    self._check(packet)
                    yield packet
        except av.FFmpegError as error:
            raise DamagedVideo(f"the audio cannot be read to its end: {error.strerror}") from error
        for stream in self._selected.streams:
            require_all_packets(stream, self._read_packets[stream.index], f"{_name(stream)}: ")

    def _check(self, packet: Packet[Any]) -> None:
        """Count a packet; raise DamagedVideo where it is cut short or its dts goes back."""
        index, name = packet.stream.index, _name(packet.stream)
        self._read_packets[index] += 1
        require_intact(packet, name, name)
        if packet.is_discard:
            # Hidden packets have times of their own; two pieces may overlap by the duration of one packet.
            self._overlap[index] = packet.duration or 0
        elif packet.dts is not None:
            if packet.dts + self._overlap.pop(index, 0) < self._last_dts.get(index, packet.dts):
                raise DamagedVideo(f"{name}: its times go back")
            self._last_dts[index] = packet.dts

    def _write(self, packet: Packet[Any]) -> None:
        index = packet.stream.index
        self._mux(index, self._targets[index].packets(packet))

    def _mux(self, index: int, packets: Sequence[Packet[Any]]) -> None:
        for packet in packets:
            self._digests[index].add(packet)
            packet.stream = self._targets[index].stream
            self._output.mux_one(packet)


def _name(stream: Stream) -> str:
    return f"{stream.type} stream {stream.index}"


def _target(output: OutputContainer, stream: Stream) -> Target:
    if isinstance(stream, AudioStream):
        return CopiedStream(output, stream) if audio.is_held_by_mp4(stream) else EncodedSound(output, stream)
    if isinstance(stream, SubtitleStream) and not subtitles.is_held_by_mp4(stream):
        return ConvertedText(output, stream)
    if isinstance(stream, SubtitleStream):
        return CopiedText(output, stream)
    return CopiedStream(output, stream)
