"""Verification: read the rendered file back and compare it with its report, before it is delivered."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Protocol, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.reading.h264 import picture_set_ids
from blur_container.reading.source import Source
from blur_container.reading.timestamps import time_base
from blur_container.reading.video import open_source, video_stream
from blur_container.writing.audio_channels import take_channels
from blur_container.writing.packet_digest import CopiedPackets, PacketDigest, StreamDigest
from blur_container.writing.remux import RemuxedStreams
from blur_container.writing.subtitles import shows_text
from chalicelib.contract.errors import OutputMismatch, PermanentError, SourceChanged

_DECODER_THREADS = 2


class Expected(Protocol):
    """The expected content of a rendered file."""

    @property
    def pts(self) -> array[int]:
        """Return the pts of all frames, rising."""

    @property
    def time_base(self) -> Fraction:
        """Return the unit of pts, in seconds."""

    @property
    def end_pts(self) -> int:
        """Return when the last frame ends."""

    @property
    def beside(self) -> RemuxedStreams:
        """Return the streams beside the video."""

    @property
    def copied(self) -> CopiedPackets | None:
        """Return the packets that were copied from the source, if any."""


@dataclass(frozen=True)
class VideoPackets:
    """The pts of the packets of a video stream, in decode order, and the digest of their bytes."""

    pts: array[int]
    digest: StreamDigest


def verify_output(source: Source, report: Expected) -> VideoPackets:
    """Return the video's packets; raise OutputMismatch unless frames, times and streams are as reported.

    It reads all packets, but decodes keyframes and the last GOP only: these show what a full disk, a cut file
    or a wrong index breaks, at a twentieth of the cost of decoding everything.
    """
    try:
        with open_source(source) as container:
            found = _require_packets(container, report)
        with open_source(source) as container:
            _require_last_frame(container, report)
    except (OutputMismatch, SourceChanged):
        raise
    except (PermanentError, av.FFmpegError) as error:
        raise OutputMismatch(f"the output cannot be read back: {error}") from error
    return found


def _require_packets(container: InputContainer, report: Expected) -> VideoPackets:
    """Read all packets, decode keyframes; return the video's packets, with pts in the report's unit."""
    stream = video_stream(container)
    sound = {audio.index: PacketDigest() for audio in container.streams.audio}
    text = {subtitle.index: PacketDigest() for subtitle in container.streams.subtitles}
    stream.codec_context.skip_frame = "NONKEY"
    video = _VideoPackets(stream, report.copied)
    streams = container.streams
    packets = container.demux(*streams.video, *streams.audio, *streams.subtitles)
    for packet in cast("Iterator[Packet[Any]]", packets):
        if packet.stream.index == stream.index:
            video.add(packet)
        elif packet.stream.index in sound and packet.size:
            sound[packet.stream.index].add(packet)
        elif shows_text(packet):
            text[packet.stream.index].add(packet)
    _require("audio", _results(sound), report.beside.audio)
    for encoded, channels in zip(container.streams.audio, report.beside.channels, strict=False):
        if channels is not None:
            _require("audio channels", len(take_channels(encoded.codec_context)), channels)
    _require("subtitles", _results(text), report.beside.text)
    _require("keyframes", video.decoded, video.keyframes)
    if report.copied is not None:
        _require("copied packets", video.copied.result(), report.copied.digest)
    _require_times(video.pts, time_base(stream), report)
    _require_end(stream, video, report)
    # The file's own time base may be finer than the report's.
    ratio = time_base(stream) / report.time_base
    return VideoPackets(array("q", (int(pts * ratio) for pts in video.pts)), video.digest.result())


def _results(digests: Mapping[int, PacketDigest]) -> tuple[StreamDigest, ...]:
    results = (digest.result() for digest in digests.values())
    return tuple(result for result in results if result.packets)


class _VideoPackets:
    """Collects pts and digests of a video's packets, and decodes its keyframes."""

    def __init__(self, stream: VideoStream, expected: CopiedPackets | None) -> None:
        self.pts: array[int] = array("q")
        self.copied, self.digest = PacketDigest(), PacketDigest()
        self._expected = expected
        self._copied_numbers = chain.from_iterable(expected.runs if expected else ())
        self._next_copied = next(self._copied_numbers, None)
        self.keyframes = 0
        self.decoded = 0
        self.last_duration = 0
        _decode_strictly(stream)

    def add(self, packet: Packet[VideoStream]) -> None:
        """Add one packet; raise OutputMismatch where one was copied that should be encoded."""
        self.decoded += len(packet.decode())
        if packet.size:
            self.keyframes += packet.is_keyframe
            self.digest.add(packet)
            if self._expected is not None:
                self._check_origin(packet, self._expected)
            self.pts.append(cast("int", packet.pts))
            self.last_duration = packet.duration or 0

    def _check_origin(self, packet: Packet[VideoStream], expected: CopiedPackets) -> None:
        if len(self.pts) == self._next_copied:
            self.copied.add(packet)
            self._next_copied = next(self._copied_numbers, None)
        elif picture_set_ids(memoryview(packet)) != {expected.encoder_set_id}:
            # A copied packet there would show a face.
            raise OutputMismatch(f"packet {len(self.pts)} is the source's own and should be encoded")


def _require_times(pts: array[int], unit: Fraction, report: Expected) -> None:
    _require("frames", len(pts), len(report.pts))
    ratio = report.time_base / unit
    for found, expected in zip(sorted(pts), report.pts, strict=True):
        if found * ratio.denominator != expected * ratio.numerator:
            raise OutputMismatch(
                f"a frame is shown at {found * unit} s, not at {expected * report.time_base} s"
            )


def _require_end(stream: VideoStream, video: _VideoPackets, report: Expected) -> None:
    """Raise OutputMismatch unless the last frame ends as reported, by its packet and by the index."""
    ratio = report.time_base / time_base(stream)
    end_pts = max(video.pts) + video.last_duration
    if video.pts[-1] == max(video.pts):
        _require("end of the last frame", end_pts, report.end_pts * ratio)
    _require("duration", stream.duration, (report.end_pts - report.pts[0]) * ratio)


def _require_last_frame(container: InputContainer, report: Expected) -> None:
    stream = video_stream(container)
    _decode_strictly(stream)
    last = report.pts[-1] * report.time_base
    container.seek(int(last / time_base(stream)), stream=stream)
    times = [frame.pts for packet in container.demux(stream) for frame in packet.decode()]
    shown = times[-1] if times else None
    _require("last frame", None if shown is None else shown * time_base(stream), last)


def _decode_strictly(stream: VideoStream) -> None:
    stream.codec_context.thread_count = _DECODER_THREADS
    stream.codec_context.options = {"err_detect": "explode"}


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise OutputMismatch(f"{what} of the output: {found}, of the source: {expected}")
