"""The sample table: an MP4's index of its packets, and the points where a video can be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from blur_container.reading.field_packets import FieldPackets
from blur_container.reading.h264 import Nal, NotSpliceable, nal_units
from blur_container.reading.video import packets_from
from chalicelib.contract.errors import DamagedVideo

_HEVC_TYPE = 0x3F
# BLA and IDR pictures; pictures after a CRA picture may refer to earlier ones.
_HEVC_IDR = range(16, 21)
# Frames that are shown before a keyframe and decoded after it are the next ones in the file.
_LEADING_MAX = 3


class Group(NamedTuple):
    """The packets from one keyframe up to the next: the dts of the first, and the number of shown frames."""

    dts: int
    frames: int


class SplitPoint(NamedTuple):
    """A keyframe that a segment can begin with; closed if no frame after it refers to one before."""

    dts: int
    pts: int
    is_closed: bool


@dataclass(frozen=True)
class SampleTable:
    """The GOPs of a video in decode order, its number of shown frames, and the dts of its last packet."""

    groups: tuple[Group, ...]
    frames: int
    end_dts: int

    @classmethod
    def of(cls, stream: VideoStream) -> SampleTable | None:
        """Return the sample table of `stream`, or None where the container does not index all packets.

        Fragmented MP4 indexes each fragment in that fragment only; Matroska lists a few keyframes.
        """
        entries = stream.index_entries
        if not len(entries) or len(entries) != stream.frames:
            return None
        keys, shown, before = [], [0], None
        for place, entry in enumerate(entries):
            # A sample without bytes is no packet; one that shares its time with another cannot be sought.
            if entry.is_keyframe and entry.size and entry.timestamp != before:
                keys.append(place)
            if before is not None and entry.timestamp < before:
                return None
            shown.append(shown[-1] + (not entry.is_discard and entry.size > 0))
            before = entry.timestamp
        if not keys or keys[0] != 0:
            return None
        groups = (
            Group(entries[start].timestamp, shown[stop] - shown[start])
            for start, stop in pairwise([*keys, len(entries)])
        )
        return cls(tuple(groups), shown[-1], entries[len(entries) - 1].timestamp)


def split_point_at(
    container: InputContainer, stream: VideoStream, groups: Sequence[Group], number: int
) -> SplitPoint | None:
    """Return the split point at the first packet of a GOP, or None where no segment can begin with it.

    A few packets are read, and one is decoded. Streams with intra refresh mark frames as keyframes that
    refer to others; some writers index frames as keyframes that are none by their own headers.
    """
    dts = groups[number].dts
    # A seek needs the pts of a keyframe, which the index does not have: it is before the next keyframe.
    latest = groups[number + 1].dts - 1 if number + 1 < len(groups) else dts
    try:
        first, *later = islice(packets_from(container, stream, latest, dts), 1 + _LEADING_MAX)
    except DamagedVideo:
        return None
    except av.FFmpegError as error:
        raise DamagedVideo(f"the packets cannot be read: {error.strerror}") from error
    seconds = list(map(FieldPackets(stream).is_second, (first, *later)))
    # A plan counts packets, so frames of two packets stay in one segment.
    if any(seconds) or first.pts is None or not _decodes_alone(stream, first):
        return None
    pts = first.pts
    follow = all(packet.pts is not None and packet.pts > pts for packet in later)
    return SplitPoint(dts, pts, follow and _resets_references(stream, first))


def _resets_references(stream: VideoStream, packet: Packet[VideoStream]) -> bool:
    """Return whether no frame after `packet` refers to a frame before it.

    Sources: H.264, table 7-1; H.265, table 7-1. Every keyframe of other codecs resets the references.
    """
    codec = stream.codec_context.name
    if codec not in ("h264", "hevc"):
        return True
    try:
        units = [(kind, unit[0]) for kind, unit in nal_units(memoryview(packet))]
    except NotSpliceable:
        return False
    if codec == "h264":
        return any(kind == Nal.IDR for kind, _ in units)
    return any(head >> 1 & _HEVC_TYPE in _HEVC_IDR for _, head in units)


def _decodes_alone(stream: VideoStream, packet: Packet[VideoStream]) -> bool:
    """Return whether `packet` decodes to an I frame without any other packet; flushes the decoder."""
    context = stream.codec_context
    context.flush_buffers()
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except av.FFmpegError:
        return False
    finally:
        context.flush_buffers()
    return [frame.pts for frame in frames if frame.pict_type == PictureType.I] == [packet.pts]
