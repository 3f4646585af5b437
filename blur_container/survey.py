"""The survey: whether a source's packets may be copied beside encoded ones, and where groups begin."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.avc import Nal, ParameterRecord, SequenceParameters, UnfitStream, nal_units
from blur_container.gops import Groups
from blur_container.video import open_source, read_only, video_stream
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


def survey(path: Path) -> Survey:
    """Read all packets of the video in `path`, decoding none.

    Raise UnfitStream where they must not be copied, DamagedVideo where some are missing.
    """
    with open_source(path) as container:
        stream = video_stream(container)
        read_only(container, [stream])
        header, record = _record(stream)
        groups, end_pts = _groups(container, stream, record)
        return Survey(groups, end_pts, header, record, _parameters(record))


def _record(stream: VideoStream) -> tuple[bytes, ParameterRecord]:
    if stream.codec_context.name != "h264":
        raise UnfitStream(f"the codec is {stream.codec_context.name}, not h264")
    header = stream.codec_context.extradata or b""
    return header, ParameterRecord.parse(header)


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


def _groups(container: InputContainer, stream: VideoStream, record: ParameterRecord) -> tuple[Groups, int]:
    groups, end_pts = Groups(array("q"), array("q")), 0
    known_sets = frozenset(record.sequence_sets + record.picture_sets)
    for packet in _packets(container, stream):
        if _begins_group(packet, known_sets):
            groups.starts.append(len(groups.pts))
        elif not groups.starts:
            raise UnfitStream("the first picture is no IDR picture")
        pts = cast("int", packet.pts)
        groups.pts.append(pts)
        end_pts = max(end_pts, pts + (packet.duration or 0))
    _require_whole(groups, stream)
    return groups, end_pts


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                _require_plain(packet)
                yield packet
    except av.FFmpegError as error:
        raise DamagedVideo(f"the video cannot be read to its end: {error.strerror}") from error


def _require_plain(packet: Packet[VideoStream]) -> None:
    if packet.is_corrupt:
        raise DamagedVideo("a packet is cut short")
    if packet.is_discard:
        raise UnfitStream("an edit list hides frames")
    if packet.pts is None:
        raise UnfitStream("a packet has no time")
    if packet.has_sidedata("new_extradata"):
        raise UnfitStream("the parameter sets change")


def _require_whole(groups: Groups, stream: VideoStream) -> None:
    indexed = len(stream.index_entries)
    if len(groups.pts) < indexed:
        raise DamagedVideo(f"the index promises {indexed} packets, {len(groups.pts)} are there")
    if not groups.pts:
        raise DamagedVideo("the video stream has no frame")
    if not groups.follow_each_other():
        raise UnfitStream("groups of pictures overlap in time")


def _begins_group(packet: Packet[VideoStream], known_sets: frozenset[bytes]) -> bool:
    """Return whether `packet` holds an IDR picture, before which no later one looks."""
    is_idr = False
    for kind, unit in nal_units(memoryview(packet)):
        if kind not in _KNOWN_UNITS:
            raise UnfitStream(f"there are NAL units of type {kind}")
        if kind in (Nal.SPS, Nal.PPS) and bytes(unit) not in known_sets:
            raise UnfitStream("the parameter sets change")
        if kind == Nal.SEI:
            _require_harmless(bytes(unit[1:]))
        is_idr = is_idr or kind == Nal.IDR
    return is_idr


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
