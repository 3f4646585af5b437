"""The survey: whether a source's packets may be copied beside encoded ones, and where groups begin."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.reading.decode_checks import promised_packets
from blur_container.reading.gop import Groups
from blur_container.reading.h264 import Nal, NotSpliceable, ParameterRecord, SequenceParameters, nal_units
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange, last_duration, time_base, usual_step
from blur_container.reading.video import needed_packets, open_source, read_only, video_stream
from blur_container.settings import RenderSettings
from chalicelib.contract.errors import DamagedVideo

_KNOWN_UNITS = frozenset(Nal)
_EMULATION, _EMULATED = b"\0\0\3", b"\0\0"
_REGISTERED, _UNREGISTERED = 4, 5
# What a full render keeps too: closed captions, and the name of the encoder x264.
_HARMLESS_NOTES = {
    _REGISTERED: (b"\xb5\x00\x31GA94",),
    _UNREGISTERED: (bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),),
}
_TRAILING_BIT = 0x80
_GOES_ON = 0xFF


@dataclass(frozen=True)
class StreamSets:
    """The parameter sets of a stream, as its container holds them and as they are read."""

    header: bytes
    record: ParameterRecord
    parameters: SequenceParameters

    @classmethod
    def of(cls, stream: VideoStream) -> StreamSets:
        """Return those of `stream`; raise UnfitStream where its packets must not be copied."""
        header = stream.codec_context.extradata or b""
        record = _record(stream.codec_context.name, header)
        return cls(header, record, _parameters(record))


@dataclass(frozen=True)
class Eligibility:
    """What is known of a source whose packets may be copied; `end_pts` is when its last frame ends."""

    groups: Groups
    end_pts: int
    sets: StreamSets


@dataclass(frozen=True)
class Times:
    """When the frames of a stretch are shown, in order, and when the last of them ends."""

    pts: list[int]
    end_pts: int


def check_eligibility(
    source: Source, settings: RenderSettings, decode_range: DecodeRange | None = None
) -> Eligibility:
    """Read all packets of the video in `source`, or those of `decode_range`, decoding none.

    Raise UnfitStream where they must not be copied, DamagedVideo where some are missing.
    """
    with _opened(source, settings) as (container, stream):
        sets = StreamSets.of(stream)
        if decode_range is not None and decode_range.end_pts is not None and decode_range.stop_dts is None:
            raise NotSpliceable("frames before the next segment refer to it")
        groups, end_pts = _Reading(container, stream, sets.record, settings, decode_range).groups()
        return Eligibility(groups, end_pts, sets)


def stream_sets(source: Source, settings: RenderSettings) -> StreamSets:
    """Return the parameter sets of the video in `source`; raise UnfitStream where they cannot be joined."""
    with _opened(source, settings) as (_, stream):
        return StreamSets.of(stream)


def shown_times(source: Source, settings: RenderSettings, decode_range: DecodeRange) -> Times:
    """Return when the frames of `decode_range` are shown."""
    with _opened(source, settings) as (container, stream):
        ends = _Ends(stream)
        for packet in needed_packets(container, stream, decode_range):
            is_shown = packet.size and packet.pts is not None and not packet.is_discard
            if is_shown and decode_range.holds(cast("int", packet.pts)):
                ends.add(packet)
        return ends.times(decode_range)


class _Ends:
    """When frames are shown, and the last of them ends."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._pts: array[int] = array("q")
        self._last_pts = self._told = 0

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take in one packet."""
        pts = cast("int", packet.pts)
        if not self._pts or pts >= self._last_pts:
            self._last_pts, self._told = pts, packet.duration or 0
        self._pts.append(pts)

    def times(self, decode_range: DecodeRange | None) -> Times:
        """Return the times of `decode_range`, or of all that was taken in."""
        pts = sorted(set(self._pts))
        if decode_range is not None and (decode_range.end_pts is not None or not pts):
            return Times(
                pts, decode_range.start_pts if decode_range.end_pts is None else decode_range.end_pts
            )
        step = pts[-1] - pts[-2] if len(pts) > 1 else usual_step(self._stream)
        return Times(pts, pts[-1] + last_duration(self._stream, pts[-1], self._told, step))


@contextmanager
def _opened(source: Source, settings: RenderSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_source(source, settings.limits) as container:
        stream = video_stream(container)
        read_only(container, [stream])
        yield container, stream


def _record(codec: str, header: bytes) -> ParameterRecord:
    if codec != "h264":
        raise NotSpliceable(f"the codec is {codec}, not h264")
    return ParameterRecord.parse(header)


def _parameters(record: ParameterRecord) -> SequenceParameters:
    if len(record.sequence_sets) != 1:
        raise NotSpliceable(f"there are {len(record.sequence_sets)} sequence parameter sets, not one")
    parameters = SequenceParameters.parse(record.sequence_sets[0])
    if not parameters.progressive:
        raise NotSpliceable("the video is interlaced")
    if (parameters.chroma_format, parameters.bit_depths) != (1, (8, 8)):
        raise NotSpliceable("the pictures are not 4:2:0 of 8 bits")
    if parameters.chroma_location:
        raise NotSpliceable("chroma does not lie at the left")
    return parameters


class _Reading:
    """Goes through the packets of a stream once."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        record: ParameterRecord,
        settings: RenderSettings,
        decode_range: DecodeRange | None,
    ) -> None:
        self._span = decode_range
        self._container, self._stream, self._settings = container, stream, settings
        self._known_sets = frozenset(record.sequence_sets + record.picture_sets)
        self._unit = time_base(stream)

    def groups(self) -> tuple[Groups, int]:
        """Return the groups, and when the last frame ends."""
        groups, ends = Groups(array("q"), array("q")), _Ends(self._stream)
        for packet in self._packets():
            ends.add(packet)
            if self._begins_group(packet):
                groups.starts.append(len(groups.pts))
            elif not groups.starts:
                raise NotSpliceable("the first picture is no IDR picture")
            pts = cast("int", packet.pts)
            groups.pts.append(pts)
            self._settings.limits.require_duration((pts - groups.pts[0]) * self._unit)
        _require_whole(groups, self._stream if self._span is None else None)
        end_pts = ends.times(self._span).end_pts
        self._settings.limits.require_duration((end_pts - min(groups.pts)) * self._unit)
        return groups, end_pts

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in needed_packets(self._container, self._stream, self._span):
                if packet.size:
                    _require_plain(packet)
                    self._settings.limits.require_packet(packet.size)
                    yield packet
        except av.FFmpegError as error:
            raise DamagedVideo(f"the video cannot be read to its end: {error.strerror}") from error

    def _begins_group(self, packet: Packet[VideoStream]) -> bool:
        """Return whether `packet` holds an IDR picture: none after it refers to any before."""
        is_idr = False
        for kind, unit in nal_units(memoryview(packet)):
            if kind not in _KNOWN_UNITS:
                raise NotSpliceable(f"there are NAL units of type {kind}")
            if kind in (Nal.SPS, Nal.PPS) and bytes(unit) not in self._known_sets:
                raise NotSpliceable("the parameter sets change")
            if kind == Nal.SEI and not self._settings.keep_metadata:
                _require_harmless(bytes(unit[1:]))
            is_idr = is_idr or kind == Nal.IDR
        return is_idr


def _require_plain(packet: Packet[VideoStream]) -> None:
    if packet.is_corrupt:
        raise DamagedVideo("a packet is cut short")
    if packet.is_discard:
        raise NotSpliceable("an edit list hides frames")
    if packet.pts is None:
        raise NotSpliceable("a packet has no time")
    if packet.has_sidedata("new_extradata"):
        raise NotSpliceable("the parameter sets change")
    if packet.has_sidedata("encryption_info"):
        raise NotSpliceable("the video is encrypted")


def _require_whole(groups: Groups, stream: VideoStream | None) -> None:
    indexed = promised_packets(stream) if stream else 0
    if len(groups.pts) < indexed:
        raise DamagedVideo(f"the index promises {indexed} packets, {len(groups.pts)} are there")
    if not groups.pts:
        raise DamagedVideo("the video stream has no frame")
    if not groups.follow_each_other():
        raise NotSpliceable("groups of pictures overlap in time")


def _require_harmless(payload: bytes) -> None:
    """Raise UnfitStream where an SEI carries user data: cameras note places and serial numbers there.

    Source: H.264, 7.3.2.3.1 and D.1.6.
    """
    rest = payload.replace(_EMULATION, _EMULATED)
    while len(rest) > 1 and rest[0] != _TRAILING_BIT:
        kind, rest = _number(rest)
        length, rest = _number(rest)
        harmless = _HARMLESS_NOTES.get(kind)
        if harmless is not None and not rest.startswith(harmless):
            raise NotSpliceable("the packets carry user data")
        rest = rest[length:]


def _number(payload: bytes) -> tuple[int, bytes]:
    """Return the number at the start of `payload`, a sum of bytes that ends below 255, and the rest."""
    last = next((place for place, byte in enumerate(payload) if byte != _GOES_ON), len(payload) - 1)
    return sum(payload[: last + 1]), payload[last + 1 :]
