"""The survey: whether a source's packets may be copied beside encoded ones, and where groups begin."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.avc import Nal, ParameterRecord, SequenceParameters, UnfitStream, nal_units
from blur_container.gops import Groups
from blur_container.settings import RenderSettings
from blur_container.source import Source
from blur_container.video import open_source, read_only, time_base, video_stream
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
class Survey:
    """What is known of a source whose packets may be copied; `end_pts` is when its last frame ends."""

    groups: Groups
    end_pts: int
    header: bytes
    record: ParameterRecord
    parameters: SequenceParameters


def survey(source: Source, settings: RenderSettings) -> Survey:
    """Read all packets of the video in `source`, decoding none.

    Raise UnfitStream where they must not be copied, DamagedVideo where some are missing.
    """
    with open_source(source, settings.limits) as container:
        stream = video_stream(container)
        read_only(container, [stream])
        header = stream.codec_context.extradata or b""
        record = _record(stream.codec_context.name, header)
        parameters = _parameters(record)
        groups, end_pts = _Reading(container, stream, record, settings).groups()
        return Survey(groups, end_pts, header, record, parameters)


def _record(codec: str, header: bytes) -> ParameterRecord:
    if codec != "h264":
        raise UnfitStream(f"the codec is {codec}, not h264")
    return ParameterRecord.parse(header)


def _parameters(record: ParameterRecord) -> SequenceParameters:
    if len(record.sequence_sets) != 1:
        raise UnfitStream(f"there are {len(record.sequence_sets)} sequence parameter sets, not one")
    parameters = SequenceParameters.parse(record.sequence_sets[0])
    if not parameters.progressive:
        raise UnfitStream("the video is interlaced")
    if (parameters.chroma_format, parameters.bit_depths) != (1, (8, 8)):
        raise UnfitStream("the pictures are not 4:2:0 of 8 bits")
    if parameters.chroma_location:
        raise UnfitStream("chroma does not lie at the left")
    return parameters


class _Reading:
    """Goes through the packets of a stream once."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        record: ParameterRecord,
        settings: RenderSettings,
    ) -> None:
        self._container, self._stream, self._settings = container, stream, settings
        self._known_sets = frozenset(record.sequence_sets + record.picture_sets)
        self._unit = time_base(stream)

    def groups(self) -> tuple[Groups, int]:
        """Return the groups, and when the last frame ends."""
        groups, end_pts = Groups(array("q"), array("q")), 0
        for packet in self._packets():
            if self._begins_group(packet):
                groups.starts.append(len(groups.pts))
            elif not groups.starts:
                raise UnfitStream("the first picture is no IDR picture")
            pts = cast("int", packet.pts)
            groups.pts.append(pts)
            self._settings.limits.require_duration((pts - groups.pts[0]) * self._unit)
            end_pts = max(end_pts, pts + (packet.duration or 0))
        _require_whole(groups, self._stream)
        return groups, end_pts

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self._container.demux(self._stream):
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
                raise UnfitStream(f"there are NAL units of type {kind}")
            if kind in (Nal.SPS, Nal.PPS) and bytes(unit) not in self._known_sets:
                raise UnfitStream("the parameter sets change")
            if kind == Nal.SEI and not self._settings.keep_metadata:
                _require_harmless(bytes(unit[1:]))
            is_idr = is_idr or kind == Nal.IDR
        return is_idr


def _require_plain(packet: Packet[VideoStream]) -> None:
    if packet.is_corrupt:
        raise DamagedVideo("a packet is cut short")
    if packet.is_discard:
        raise UnfitStream("an edit list hides frames")
    if packet.pts is None:
        raise UnfitStream("a packet has no time")
    if packet.has_sidedata("new_extradata"):
        raise UnfitStream("the parameter sets change")
    if packet.has_sidedata("encryption_info"):
        raise UnfitStream("the video is encrypted")


def _require_whole(groups: Groups, stream: VideoStream) -> None:
    indexed = len(stream.index_entries)
    if len(groups.pts) < indexed:
        raise DamagedVideo(f"the index promises {indexed} packets, {len(groups.pts)} are there")
    if not groups.pts:
        raise DamagedVideo("the video stream has no frame")
    if not groups.follow_each_other():
        raise UnfitStream("groups of pictures overlap in time")


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
            raise UnfitStream("the packets carry user data")
        rest = rest[length:]


def _number(payload: bytes) -> tuple[int, bytes]:
    """Return the number at the start of `payload`, a sum of bytes that ends below 255, and the rest."""
    last = next((place for place, byte in enumerate(payload) if byte != _GOES_ON), len(payload) - 1)
    return sum(payload[: last + 1]), payload[last + 1 :]
