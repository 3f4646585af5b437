"""Smart rendering: copy GOPs without a face bit for bit, decode, blur and encode the others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.reading.gop import Run
from blur_container.reading.prefetch import read_ahead
from blur_container.reading.timestamps import presentation_time, reorder_options, time_base
from blur_container.smart_render.splice import Splice
from blur_container.writing.packet_digest import CopiedPackets, PacketDigest
from blur_container.writing.remux import NOTHING_BESIDE, RemuxedStreams, StreamRemuxer
from chalicelib.contract.errors import DamagedVideo, OutputMismatch

# Between a thread that reads, decodes and blurs, and one that encodes and writes.
_PIECES_AHEAD = 6


class SplicedOutput:
    """Writes an MP4 from copied packets and encoded frames, interleaved with the streams of `remuxer`."""

    def __init__(
        self,
        container: OutputContainer,
        template: VideoStream,
        remuxer: StreamRemuxer | None,
        splice: Splice,
        encoder: Callable[[], VideoCodecContext],
    ) -> None:
        self._container, self._remuxer, self._splice = container, remuxer, splice
        self._video = container.add_stream_from_template(template, opaque=True)
        self._video.codec_context.extradata = splice.header
        self._unit = time_base(template)
        self._open_encoder = encoder
        self._encoder: VideoCodecContext | None = None
        self._copied = PacketDigest()
        self._written = 0

    def tag_like(self, model: VideoStream, matrix: Sequence[int] | None) -> None:
        """Set the codec tag of `model` and a display matrix; call it before any packet is written."""
        self._video.codec_context.codec_tag = model.codec_context.codec_tag
        self._video.set_display_matrix(matrix)

    def copy(self, packet: Packet[VideoStream]) -> None:
        """Write a packet of the source as it is."""
        self._copied.add(packet)
        self._mux(packet)

    def encode(self, frame: VideoFrame) -> None:
        """Encode one frame; the first after a copied packet begins a GOP."""
        if self._encoder is None:
            self._encoder = self._open_encoder()
        # Otherwise the encoder repeats the frame types of the source.
        frame.pict_type = self._splice.picture_type(presentation_time(frame))
        for packet in self._encoder.encode(frame):
            self._mux(packet)

    def end_run(self) -> None:
        """Write the encoder's delayed packets; the next packet is copied, or there is none."""
        encoder, self._encoder = self._encoder, None
        for packet in encoder.encode(None) if encoder else []:
            self._mux(packet)

    def finish(self) -> RemuxedStreams:
        """Write the rest of the other streams and return them; raise OutputMismatch if one is missing."""
        if self._written != len(self._splice.dts):
            raise OutputMismatch(f"{self._written} packets for {len(self._splice.dts)} frames")
        if self._remuxer is None:
            return NOTHING_BESIDE
        self._remuxer.write_rest()
        return self._remuxer.written()

    def copied(self) -> CopiedPackets:
        """Return which packets were copied, for the verification."""
        runs = tuple(run.packets for run in self._splice.runs if not run.encoded)
        return CopiedPackets(runs, self._copied.result(), self._splice.set_id)

    def _mux(self, packet: Packet[VideoStream]) -> None:
        if self._written == len(self._splice.dts):
            raise OutputMismatch(f"there are more packets than the {self._written} frames")
        packet.dts = self._splice.dts[self._written]
        if packet.pts is None or packet.pts < packet.dts:
            raise OutputMismatch(f"packet {self._written} would be decoded after it is shown")
        self._written += 1
        if self._written == len(self._splice.dts):
            packet.dts, packet.duration = self._splice.last_times(packet.pts)
        else:
            packet.duration = self._splice.duration(packet.pts)
        if self._remuxer is not None:
            self._remuxer.write_until(packet.dts * self._unit)
        packet.stream = self._video
        self._container.mux_one(packet)


@dataclass(frozen=True)
class Pieces:
    """The packets to copy and frames to encode of one splice, in decode order.

    `packets` are those of `stream`, from the first of the splice on.
    """

    stream: VideoStream
    packets: Iterator[Packet[VideoStream]]
    splice: Splice
    draw: Callable[[VideoFrame], VideoFrame]
    threads: int

    def write_to(self, output: SplicedOutput) -> Iterator[int]:
        """Write everything to `output`; yield the number of packets and frames after each."""
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
        context = self.stream.codec_context
        context.thread_type, context.thread_count = "AUTO", self.threads
        context.options = {"err_detect": "explode", **reorder_options(context.name)}
        packets = (packet for packet in self.packets if packet.size)
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
        """Yield the frames of a run; raise DamagedVideo unless they have the times of its packets."""
        # GOPs do not overlap in time, so a run has the same numbers in decode and presentation order.
        expected = iter(self.splice.pts[run.packets.start : run.packets.stop])
        for frame in _all_frames(packets, context):
            pts, expected_pts = presentation_time(frame), next(expected, None)
            if frame.is_corrupt or pts != expected_pts:
                raise DamagedVideo(f"a frame for pts {expected_pts} is expected, one for {pts} is decoded")
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
