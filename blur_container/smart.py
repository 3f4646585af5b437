"""Smart rendering: groups of pictures without a face are copied bit for bit, the others encoded."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import av
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.audio import PacketDigest, StreamDigest
from blur_container.avc import ParameterRecord, SequenceParameters, UnfitStream
from blur_container.companions import Companions, Written
from blur_container.frames import read_ahead
from blur_container.geometry import Size
from blur_container.gops import Run, decode_times
from blur_container.output import Looks, dress
from blur_container.settings import RenderSettings
from blur_container.source import Source
from blur_container.survey import Survey, survey
from blur_container.video import IS_PYAV_18, presentation_time, read_only, time_base, video_stream
from chalicelib.contract.errors import DamagedVideo, OutputMismatch

# One thread reads, decodes and blurs, one encodes and writes.
_PIECES_AHEAD = 6


@dataclass(frozen=True)
class Splice:
    """What is copied, what is encoded, and the track that holds both; times are in order."""

    runs: tuple[Run, ...]
    pts: array[int]
    dts: array[int]
    end_pts: int
    header: bytes
    # Of the encoder alone: its parameter sets, and their id.
    encoder_header: bytes | None
    set_id: int


@dataclass(frozen=True)
class CopiedPackets:
    """Which packets of the output, counted in decode order, are the source's own.

    All others name the picture parameter set `encoder_set_id`, which the source does not have.
    """

    runs: tuple[range, ...]
    digest: StreamDigest
    encoder_set_id: int


def plan_splice(
    source: Source, looks: Looks, settings: RenderSettings, shows_face: Callable[[int], bool]
) -> Splice:
    """Return how `source` is rendered with the least encoding; `shows_face` tells for any pts.

    Raise UnfitStream where all of it has to be encoded.
    """
    if not IS_PYAV_18:
        raise UnfitStream("smart rendering needs PyAV 18 and with it Python 3.11 or later")
    found = survey(source, settings)
    runs = found.groups.runs(shows_face)
    if all(run.encoded for run in runs):
        raise UnfitStream("a face is shown in every group of pictures")
    pts = array("q", sorted(found.groups.pts))
    delay, set_id = found.groups.reorder_delay(), found.record.free_id()
    header, encoder_header = found.header, None
    if any(run.encoded for run in runs):
        encoder_header = _header(_encoder(looks, settings, set_id))
        added = ParameterRecord.parse(encoder_header)
        delay = max(delay, _require_fit(found, added))
        header = found.record.joined(added).to_bytes()
    return Splice(runs, pts, decode_times(pts, delay), found.end_pts, header, encoder_header, set_id)


def _require_fit(found: Survey, added: ParameterRecord) -> int:
    """Raise UnfitStream unless pictures of both kinds fit one track; return the encoder's reorder delay."""
    ours, theirs = SequenceParameters.parse(added.sequence_sets[0]), found.parameters
    if not ours.progressive:
        raise UnfitStream("the frames hold two fields each")
    if ours.size != theirs.size:
        raise UnfitStream(f"its pictures are {_named(theirs.size)}, encoded ones {_named(ours.size)}")
    if ours.reorder_frames is None:
        raise UnfitStream("the encoder does not tell how it orders frames")
    return ours.reorder_frames


def _named(size: Size) -> str:
    return f"{size.width}x{size.height}"


def _encoder(looks: Looks, settings: RenderSettings, set_id: int) -> VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    dress(context, looks, settings)
    # The sets go into the header, and units get lengths in front, as the copied ones have.
    context.flags |= Flags.global_header
    context.options["x264-params"] += f":sps-id={set_id}:annexb=0"
    context.open()
    return context


def splice_encoder(splice: Splice, looks: Looks, settings: RenderSettings) -> VideoCodecContext:
    """Return an encoder for one run of `splice`; its parameter sets stand in the header already."""
    context = _encoder(looks, settings, splice.set_id)
    if _header(context) != splice.encoder_header:
        raise OutputMismatch("the encoder changed its parameter sets")
    return context


def _header(context: VideoCodecContext) -> bytes:
    return context.extradata or b""


class SplicedOutput:
    """An MP4 being written from packets that are copied and frames that are encoded; audio follows."""

    def __init__(
        self,
        container: OutputContainer,
        template: VideoStream,
        companions: Companions,
        splice: Splice,
        encoder: Callable[[], VideoCodecContext],
    ) -> None:
        self._container, self._companions, self._splice = container, companions, splice
        self._video = container.add_stream_from_template(template, opaque=True)
        self._video.codec_context.extradata = splice.header
        self._unit = time_base(template)
        self._open_encoder = encoder
        self._encoder: VideoCodecContext | None = None
        self._copied = PacketDigest()
        self._written = 0

    def copy(self, packet: Packet[VideoStream]) -> None:
        """Write a packet of the source as it is."""
        self._copied.add(packet)
        self._mux(packet)

    def encode(self, frame: VideoFrame) -> None:
        """Encode one frame; the first after a copied packet begins a group."""
        if self._encoder is None:
            self._encoder = self._open_encoder()
        # Otherwise the encoder repeats the frame types of the source.
        frame.pict_type = 0
        for packet in self._encoder.encode(frame):
            self._mux(packet)

    def end_run(self) -> None:
        """Write what the encoder holds: the next packet is copied, or there is none."""
        encoder, self._encoder = self._encoder, None
        for packet in encoder.encode(None) if encoder else []:
            self._mux(packet)

    def finish(self) -> Written:
        """Write the rest of the companions; return what stands beside the video."""
        if self._written != len(self._splice.dts):
            raise OutputMismatch(f"{self._written} packets for {len(self._splice.dts)} frames")
        self._companions.write_rest()
        return self._companions.written()

    def copied(self) -> CopiedPackets:
        """Return what verification must find again."""
        runs = tuple(run.packets for run in self._splice.runs if not run.encoded)
        return CopiedPackets(runs, self._copied.result(), self._splice.set_id)

    def _mux(self, packet: Packet[VideoStream]) -> None:
        if self._written == len(self._splice.dts):
            raise OutputMismatch(f"there are more packets than the {self._written} frames")
        packet.dts = self._splice.dts[self._written]
        if packet.pts is None or packet.pts < packet.dts:
            raise OutputMismatch(f"packet {self._written} would be decoded after it is shown")
        self._written += 1
        self._companions.write_until(packet.dts * self._unit)
        packet.stream = self._video
        self._container.mux_one(packet)


@dataclass(frozen=True)
class Pieces:
    """What a spliced output is made of, in decode order: packets to copy, frames to encode, ends of runs."""

    source: InputContainer
    splice: Splice
    draw: Callable[[VideoFrame], VideoFrame]
    threads: int

    def write_to(self, output: SplicedOutput) -> Iterator[int]:
        """Write everything to `output`; yield how many frames are on their way after each."""
        with closing(read_ahead(self._read(), _PIECES_AHEAD)) as pieces:
            count = 0
            for piece in pieces:
                if piece is None:
                    output.end_run()
                    continue
                output.copy(piece) if isinstance(piece, Packet) else output.encode(piece)
                count += 1
                yield count

    def _read(self) -> Generator[Packet[VideoStream] | VideoFrame | None, None, None]:
        stream = video_stream(self.source)
        read_only(self.source, [stream])
        context = stream.codec_context
        context.thread_type, context.thread_count = "AUTO", self.threads
        context.options = {"err_detect": "explode"}
        packets = (packet for packet in self.source.demux(stream) if packet.size)
        for run in self.splice.runs:
            own = islice(packets, len(run.packets))
            if run.encoded:
                yield from map(self.draw, self._decoded(own, context, run))
                yield None
            else:
                yield from own

    def _decoded(
        self, packets: Iterator[Packet[VideoStream]], context: VideoCodecContext, run: Run
    ) -> Iterator[VideoFrame]:
        """Yield the frames of a run; raise DamagedVideo unless they are those its packets promise."""
        # No frame of an earlier group is shown later: a run has the same places in both orders.
        expected = iter(self.splice.pts[run.packets.start : run.packets.stop])
        for frame in _all_frames(packets, context):
            pts, promised = presentation_time(frame), next(expected, None)
            if frame.is_corrupt or pts != promised:
                raise DamagedVideo(f"a frame for pts {promised} is expected, one for {pts} is decoded")
            yield frame
        if (missing := next(expected, None)) is not None:
            raise DamagedVideo(f"no frame for pts {missing} can be decoded")


def _all_frames(packets: Iterator[Packet[VideoStream]], context: VideoCodecContext) -> Iterator[VideoFrame]:
    try:
        for packet in packets:
            yield from context.decode(packet)
        yield from context.decode(None)
    except av.FFmpegError as error:
        raise DamagedVideo(f"a group of pictures cannot be decoded: {error.strerror}") from error
    context.flush_buffers()
