"""Smart-render eligibility: check whether packets can be copied beside encoded ones, and find the GOPs."""

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

from blur_container.reading.decode_checks import require_all_packets, require_intact
from blur_container.reading.gop import Groups
from blur_container.reading.h264 import Nal, NotSpliceable, nal_units, require_no_user_data
from blur_container.reading.h264_parameters import ParameterRecord, SequenceParameters
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange, last_duration, time_base, usual_step
from blur_container.reading.video import needed_packets, open_source, read_only, video_stream
from blur_container.settings import RenderSettings
from chalicelib.contract.errors import DamagedVideo

_KNOWN_UNITS = frozenset(Nal)


@dataclass(frozen=True)
class StreamSets:
    """The parameter sets of a stream: as bytes of its container, as a record, and parsed."""

    header: bytes
    record: ParameterRecord
    parameters: SequenceParameters

    @classmethod
    def of(cls, stream: VideoStream) -> StreamSets:
        """Return the parameter sets of `stream`; raise NotSpliceable where its packets must not be copied."""
        codec, header = stream.codec_context.name, stream.codec_context.extradata or b""
        if codec != "h264":
            raise NotSpliceable(f"the codec is {codec}, not h264")
        record = ParameterRecord.parse(header)
        if len(record.sequence_sets) != 1:
            raise NotSpliceable(f"there are {len(record.sequence_sets)} sequence parameter sets, not one")
        parameters = SequenceParameters.parse(record.sequence_sets[0])
        if not parameters.progressive:
            raise NotSpliceable("the video is interlaced")
        if (parameters.chroma_format, parameters.bit_depths) != (1, (8, 8)):
            raise NotSpliceable("the frames are not 4:2:0 with 8 bits a sample")
        if parameters.chroma_location:
            raise NotSpliceable("the chroma samples are not at the left")
        return cls(header, record, parameters)


@dataclass(frozen=True)
class Eligibility:
    """The GOPs of a video whose packets may be copied, its parameter sets, and the end of its last frame."""

    groups: Groups
    end_pts: int
    sets: StreamSets


@dataclass(frozen=True)
class Times:
    """The pts of frames, rising, and when the last of them ends."""

    pts: list[int]
    end_pts: int


def check_eligibility(
    source: Source, settings: RenderSettings, decode_range: DecodeRange | None = None
) -> Eligibility:
    """Read all packets of the video in `source`, or those of `decode_range`, without decoding any.

    Raise NotSpliceable where they must not be copied, DamagedVideo where some are missing.
    """
    with _opened(source, settings) as (container, stream):
        sets = StreamSets.of(stream)
        if decode_range is not None and decode_range.end_pts is not None and decode_range.stop_dts is None:
            raise NotSpliceable("frames before the next segment refer to it")
        packets = needed_packets(container, stream, decode_range)
        groups, times = _grouped(packets, stream, sets.record, settings)
        if decode_range is None:
            require_all_packets(stream, len(groups.pts))
        if not groups.pts:
            raise DamagedVideo("the video stream has no frame")
        if not groups.follow_each_other():
            raise NotSpliceable("groups of pictures overlap in time")
        end_pts = times.of(decode_range).end_pts
        settings.limits.require_duration((end_pts - min(groups.pts)) * time_base(stream))
        return Eligibility(groups, end_pts, sets)


def stream_sets(source: Source, settings: RenderSettings) -> StreamSets:
    """Return the parameter sets of the video in `source`; raise NotSpliceable where they cannot be joined."""
    with _opened(source, settings) as (_, stream):
        return StreamSets.of(stream)


def shown_times(source: Source, settings: RenderSettings, decode_range: DecodeRange) -> Times:
    """Return the times of the frames of `decode_range`."""
    with _opened(source, settings) as (container, stream):
        times = _PacketTimes(stream)
        for packet in needed_packets(container, stream, decode_range):
            is_shown = packet.size and packet.pts is not None and not packet.is_discard
            if is_shown and decode_range.holds(cast("int", packet.pts)):
                times.add(packet)
        return times.of(decode_range)


class _PacketTimes:
    """Collects the pts of packets, and the duration of the packet that is shown last."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._pts: array[int] = array("q")
        self._last_pts = self._last_duration = 0

    def add(self, packet: Packet[VideoStream]) -> None:
        """Add one packet, which must have a pts."""
        pts = cast("int", packet.pts)
        if not self._pts or pts >= self._last_pts:
            self._last_pts, self._last_duration = pts, packet.duration or 0
        self._pts.append(pts)

    def of(self, decode_range: DecodeRange | None) -> Times:
        """Return the times of `decode_range`, or of all packets that were added."""
        pts = sorted(set(self._pts))
        if decode_range is not None and (decode_range.end_pts is not None or not pts):
            return Times(
                pts, decode_range.start_pts if decode_range.end_pts is None else decode_range.end_pts
            )
        step = pts[-1] - pts[-2] if len(pts) > 1 else usual_step(self._stream)
        return Times(pts, pts[-1] + last_duration(self._stream, pts[-1], self._last_duration, step))


@contextmanager
def _opened(source: Source, settings: RenderSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_source(source, settings.limits) as container:
        stream = video_stream(container)
        read_only(container, [stream])
        yield container, stream


def _grouped(
    packets: Iterator[Packet[VideoStream]],
    stream: VideoStream,
    record: ParameterRecord,
    settings: RenderSettings,
) -> tuple[Groups, _PacketTimes]:
    """Return the GOPs of `packets` and their times; raise NotSpliceable if one must not be copied."""
    known_sets = frozenset(record.sequence_sets + record.picture_sets)
    groups, times = Groups(array("q"), array("q")), _PacketTimes(stream)
    try:
        for packet in packets:
            if not packet.size:
                continue
            _require_copyable(packet, len(groups.pts))
            settings.limits.require_packet(packet.size)
            times.add(packet)
            if _has_idr(packet, known_sets, keep_metadata=settings.keep_metadata):
                groups.starts.append(len(groups.pts))
            elif not groups.starts:
                raise NotSpliceable("the first picture is no IDR picture")
            groups.pts.append(cast("int", packet.pts))
            settings.limits.require_duration((groups.pts[-1] - groups.pts[0]) * time_base(stream))
    except av.FFmpegError as error:
        raise DamagedVideo(f"the video cannot be read to its end: {error.strerror}") from error
    return groups, times


def _has_idr(packet: Packet[VideoStream], known_sets: frozenset[bytes], *, keep_metadata: bool) -> bool:
    """Return whether `packet` has an IDR picture: no picture after it refers to any before.

    Raise NotSpliceable where a NAL unit must not be copied.
    """
    is_idr = False
    for kind, unit in nal_units(memoryview(packet)):
        if kind not in _KNOWN_UNITS:
            raise NotSpliceable(f"there are NAL units of type {kind}")
        if kind in (Nal.SPS, Nal.PPS) and bytes(unit) not in known_sets:
            raise NotSpliceable("the parameter sets change")
        if kind == Nal.SEI and not keep_metadata:
            require_no_user_data(bytes(unit[1:]))
        is_idr = is_idr or kind == Nal.IDR
    return is_idr


def _require_copyable(packet: Packet[VideoStream], number: int) -> None:
    require_intact(packet, "the video", f"packet {number}")
    if packet.is_discard:
        raise NotSpliceable("an edit list hides frames")
    if packet.pts is None:
        raise NotSpliceable("a packet has no time")
    if packet.has_sidedata("new_extradata"):
        raise NotSpliceable("the parameter sets change")
