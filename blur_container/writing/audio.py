"""Audio: copy packets bit for bit, or encode AAC where MP4 has no place for the source's codec."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet

from blur_container.writing.audio_channels import placement_of, places_of, take_channels
from blur_container.writing.audio_samples import ArrangedSound
from chalicelib.contract.errors import DamagedVideo, UnsupportedVideo

# Codecs that players support in MP4. FFmpeg would write PCM and Vorbis too.
_MP4_CODECS = frozenset(
    ("aac", "ac3", "alac", "dca", "eac3", "flac", "libopus", "mp2", "mp2float", "mp3", "mp3float", "opus")
)
_AAC_BITS_PER_CHANNEL = 96_000
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
# Packets that prepare a decoder: Opus needs 80 ms, four of its usual packets; AAC needs one.
_PREPARING = 4


class CopiedStream:
    """Copies the packets of one stream, except those that an edit list hides.

    Before each piece of an edit list the demuxer returns packets that only prepare the decoder, from another
    place of the source. In the output they would be heard, so they are dropped; only the last ones before
    the first piece stay, because MP4 can hide those.
    """

    def __init__(self, target: OutputContainer, source: Any) -> None:
        try:
            self.stream = target.add_stream_from_template(source)
        except ValueError as error:
            raise UnsupportedVideo(f"stream {source.index} cannot be copied into MP4: {error}") from error
        self._name, self._is_sound = f"{source.type} stream {source.index}", source.type == "audio"
        # AAC of MPEG-TS has a header in each packet (ADTS), of which MP4 keeps one for all packets.
        context = source.codec_context if self._is_sound else None
        has_headers = context is not None and context.name == "aac" and not context.extradata
        self._bare = BitStreamFilterContext("aac_adtstoasc", source) if has_headers else None
        self._has_begun = False
        self._early: deque[Packet[Any]] = deque(maxlen=_PREPARING)
        self._hidden = 0
        self._last_dts: int | None = None

    @property
    def change(self) -> str | None:
        """Return how many packets were dropped, in words; None for none."""
        hidden = self._hidden if self._has_begun else self._hidden + len(self._early)
        return f"{self._name}: packets hidden by its edit list are left out: {hidden}" if hidden else None

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return the packets to write for one packet of the source."""
        if packet.is_discard and self._is_sound:
            self._hidden += self._has_begun or len(self._early) == _PREPARING
            self._early.append(packet)
            return []
        early = [] if self._has_begun else list(self._early)
        self._has_begun = True
        self._early.clear()
        return [self._in_order(bare) for one in (*early, packet) for bare in self._without_header(one)]

    def rest(self) -> list[Packet[Any]]:
        """Return the packets to write after the last one of the source."""
        return []

    def _without_header(self, packet: Packet[Any]) -> Sequence[Packet[Any]]:
        if self._bare is None:
            return [packet]
        try:
            return self._bare.filter(packet)
        except av.FFmpegError as error:
            raise DamagedVideo(f"{self._name}: an AAC packet has no header: {error.strerror}") from error

    def _in_order(self, packet: Packet[Any]) -> Packet[Any]:
        """Return `packet` with a dts after the last one, which it changes in place where needed."""
        if packet.dts is not None and self._last_dts is not None and packet.dts <= self._last_dts:
            # Two packets at one time, or two pieces that overlap: FFmpeg's MP4 muxer needs rising dts.
            packet.dts = self._last_dts + 1
            packet.pts = None if packet.pts is None else max(packet.pts, packet.dts)
        self._last_dts = packet.dts
        return packet


class EncodedSound:
    """Decodes one audio stream and encodes it as AAC."""

    def __init__(self, target: OutputContainer, source: AudioStream) -> None:
        self._source = source
        codec = source.codec_context.name
        rate = next((rate for rate in _AAC_RATES if rate >= source.rate), _AAC_RATES[-1])
        names = take_channels(source.codec_context)
        placement = placement_of(names)
        self.channels = len(places_of(placement.encoded))
        note = f", {placement.note}" if placement.note else ""
        self.change = f"audio stream {source.index}: {codec} became aac{note}"
        has_times = source.container.format.name != "avi"
        self._arranged = ArrangedSound(
            len(names), placement, is_edited=_has_edits(source), has_times=has_times
        )
        self.stream = target.add_stream("aac", rate=rate)
        context = self.stream.codec_context
        context.layout = placement.encoded
        context.bit_rate = _AAC_BITS_PER_CHANNEL * self.channels

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Return the packets to write for one packet of the source."""
        return self._encoded(self._arranged.frames(self._decoded(packet)))

    def rest(self) -> list[Packet[Any]]:
        """Return the packets to write after the last one of the source."""
        frames = chain(self._arranged.frames(self._decoded(None)), self._arranged.rest())
        return [*self._encoded(frames), *self.stream.encode(None)]

    def _decoded(self, packet: Packet[Any] | None) -> Sequence[AudioFrame]:
        try:
            return self._source.decode(packet)
        except av.FFmpegError as error:
            raise DamagedVideo(
                f"audio stream {self._source.index} cannot be decoded: {error.strerror}"
            ) from error

    def _encoded(self, frames: Iterable[AudioFrame]) -> list[Packet[Any]]:
        return [packet for frame in frames for packet in self.stream.encode(frame)]


def is_held_by_mp4(stream: AudioStream) -> bool:
    """Return whether packets of `stream` can be copied into MP4."""
    return stream.codec_context.name in _MP4_CODECS


def _has_edits(stream: AudioStream) -> bool:
    """Return whether an edit list joins pieces of `stream`: hidden packets are between shown ones."""
    pieces = [hidden for hidden, _ in groupby(entry.is_discard for entry in stream.index_entries)]
    return pieces.count(False) > 1
