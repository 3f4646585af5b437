"""The container's index: what an MP4 tells of its packets before any of them is read."""

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

_H264_TYPE, _HEVC_TYPE = 0x1F, 0x3F
# BLA and IDR pictures; after a CRA picture some may refer to earlier ones.
_HEVC_IDR = range(16, 21)
# Frames that are shown before a keyframe and decoded after it follow it at once.
_LEADING_MAX = 3


class Group(NamedTuple):
    """The packets from one keyframe up to the next: dts of the first, and how many frames are shown."""

    dts: int
    frames: int


class SplitPoint(NamedTuple):
    """A keyframe that a segment can begin with; closed where no later frame refers to an earlier one."""

    dts: int
    pts: int
    is_closed: bool


@dataclass(frozen=True)
class SampleTable:
    """The groups of a video's packets in the order they are decoded, how many frames, and the last dts."""

    groups: tuple[Group, ...]
    frames: int
    end_dts: int

    @classmethod
    def of(cls, stream: VideoStream) -> SampleTable | None:
        """Return the index of `stream`, or None where the container has none of all its packets.

        Fragmented MP4 tells of each fragment in that fragment alone; Matroska lists a few keyframes.
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
    """Return the border at the first packet of a group, or None where no segment can begin with it.

    A few packets are read. Streams that refresh their picture bit by bit call frames keyframes that refer
    to others; the index of some writers calls frames so that are none by their own word.
    """
    dts = groups[number].dts
    # A seek goes by the time a keyframe is shown at, which is not in the index: it comes before the next.
    latest = groups[number + 1].dts - 1 if number + 1 < len(groups) else dts
    try:
        first, *later = islice(packets_from(container, stream, latest, dts), 1 + _LEADING_MAX)
    except DamagedVideo:
        return None
    except av.FFmpegError as error:
        raise DamagedVideo(f"the packets cannot be read: {error.strerror}") from error
    seconds = list(map(FieldPackets(stream).is_second, (first, *later)))
    # Frames of two packets are not shared out: a plan counts packets.
    if any(seconds) or first.pts is None or not _stands_alone(stream, first):
        return None
    pts = first.pts
    follow = all(packet.pts is not None and packet.pts > pts for packet in later)
    return SplitPoint(dts, pts, follow and _resets_references(stream, first))


def _resets_references(stream: VideoStream, packet: Packet[VideoStream]) -> bool:
    """Return whether the decoder forgets all frames before `packet`.

    Sources: H.264, table 7-1; H.265, table 7-1. Other codecs know no keyframe that does not.
    """
    codec, units = stream.codec_context.name, memoryview(packet)
    if codec not in ("h264", "hevc"):
        return True
    try:
        heads = {unit[0] for _, unit in nal_units(units)}
    except NotSpliceable:
        return False
    if codec == "h264":
        return any(head & _H264_TYPE == Nal.IDR for head in heads)
    return any(head >> 1 & _HEVC_TYPE in _HEVC_IDR for head in heads)


def _stands_alone(stream: VideoStream, packet: Packet[VideoStream]) -> bool:
    """Return whether the frame in `packet` can be decoded without any other."""
    context = stream.codec_context
    context.flush_buffers()
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except av.FFmpegError:
        return False
    finally:
        context.flush_buffers()
    return [frame.pts for frame in frames if frame.pict_type == PictureType.I] == [packet.pts]
