"""Concatenate rendered segments by copying their packets, and add the other streams of the source."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from blur_container.reading.decode_checks import Tally
from blur_container.reading.gop import Groups, Run, decode_times
from blur_container.reading.source import Source
from blur_container.reading.timestamps import time_base
from blur_container.reading.video import first_frame, open_source, read_only, video_stream
from blur_container.rendering.progress import Progress
from blur_container.rendering.report import FaceSummary, RenderedFile, RenderReport
from blur_container.segments.record import SegmentRecord, TrackSummary
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import Splice
from blur_container.smart_render.writer import SplicedOutput
from blur_container.tracking.review import in_order
from blur_container.tracking.tracklets import interval_ms_of
from blur_container.writing.audio import is_held_by_mp4
from blur_container.writing.mp4 import moov_bytes_max
from blur_container.writing.output_format import StreamParameters, stream_parameters_of
from blur_container.writing.packet_digest import CopiedPackets, PacketDigest
from blur_container.writing.remux import RemuxedStreams, StreamRemuxer
from blur_container.writing.stream_selection import SelectedStreams, choose_streams
from chalicelib.contract.errors import OutputMismatch
from chalicelib.contract.faces import FacesDocument

# Opens the file that the joined video is written to; called with its time base and streams.
OpenTarget = Callable[[Fraction, SelectedStreams], AbstractContextManager[OutputContainer]]

# AAC has 1,024 samples in a packet, of 96,000 a second at most.
_PACKETS_PER_S = 94
# The number of the encoder's own parameter set: a copied stream has none.
_NO_SET = 0
_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True)
class RenderedSegment:
    """A rendered segment and its record."""

    source: Source
    record: SegmentRecord


@dataclass(frozen=True)
class Concatenation:
    """The rendered segments of a video in their order, and the source of its other streams."""

    source: Source
    parts: Sequence[RenderedSegment]
    faces: FacesDocument
    settings: RenderSettings

    def moov_bytes(self) -> int:
        """Return the largest number of bytes that the index of the joined video can have."""
        with open_source(self.source, self.settings.limits) as container:
            selected = self._selected(container)
            longest_s = (container.duration or 0) // av.time_base + 1
            packets = [len(self._coded_pts)]
            for stream in selected.streams:
                is_encoded = isinstance(stream, AudioStream) and not is_held_by_mp4(stream)
                own = max(len(stream.index_entries), stream.frames)
                packets.append(_PACKETS_PER_S * longest_s if is_encoded else own)
            return moov_bytes_max(packets, list(_texts(container, selected)))

    def write(self, open_target: OpenTarget, progress: Callable[[Progress], None]) -> RenderReport:
        """Write the joined video to the container that `open_target` opens; return its report.

        In the report all packets are copies, so that the verification compares every one. Raise
        OutputMismatch if the segments do not fit together, or are not those of their records.
        """
        tally = Tally(merged=sum(part.record.frames_merged for part in self.parts))
        with first_frame(self.source, self.settings.limits, tally) as (first, stream):
            parameters = stream_parameters_of(first, stream, self.settings)
        with open_source(self.source, self.settings.limits) as beside:
            selected = self._selected(beside)
            read_only(beside, list(selected.streams))
            with open_target(parameters.time_base, selected) as container:
                remuxer = StreamRemuxer(selected, container)
                with open_source(self.parts[0].source) as model:
                    output, header = self._output(container, video_stream(model), remuxer, parameters)
                for count, packet in enumerate(self._packets(header), start=1):
                    output.copy(packet)
                    progress(Progress(count, len(self._coded_pts), "assembling"))
                written = output.finish()
            return self._report(parameters, selected, written, output.copied(), tally)

    def _output(
        self,
        container: OutputContainer,
        model: VideoStream,
        remuxer: StreamRemuxer,
        parameters: StreamParameters,
    ) -> tuple[SplicedOutput, bytes]:
        """Return an output for copies of packets with the parameters of `model`, and its parameter sets."""
        header = model.codec_context.extradata or b""
        coded = self._coded_pts
        shown = array("q", sorted(coded))
        delay = Groups(coded, array("q", [0])).reorder_delay()
        scale = parameters.time_base / time_base(model)
        dts = array("q", (int(dts * scale) for dts in decode_times(shown, delay)))
        runs = (Run(range(len(coded)), encoded=False),)
        splice = Splice(runs, shown, dts, self.parts[-1].record.end_pts, header, None, _NO_SET)
        output = SplicedOutput(container, model, remuxer, splice, _no_encoder)
        output.tag_like(model, parameters.display_matrix)
        return output, header

    @cached_property
    def _coded_pts(self) -> array[int]:
        """Return the pts of all packets in decoding order."""
        return array("q", chain.from_iterable(part.record.packets.pts for part in self.parts))

    def _packets(self, header: bytes) -> Iterator[Packet[VideoStream]]:
        """Yield the packets of all segments; raise OutputMismatch if they are not those of the records."""
        for part in self.parts:
            digest = PacketDigest()
            with open_source(part.source) as container:
                stream = video_stream(container)
                if (stream.codec_context.extradata or b"") != header:
                    raise OutputMismatch("two segments have different parameter sets")
                for packet in container.demux(stream):
                    if packet.size:
                        digest.add(packet)
                        yield packet
            if digest.result() != part.record.packets.digest:
                raise OutputMismatch(f"the packets of {part.record.video.key} are not those of its record")

    def _selected(self, container: InputContainer) -> SelectedStreams:
        return choose_streams(container, video_stream(container), keep_metadata=self.settings.keep_metadata)

    def _report(
        self,
        parameters: StreamParameters,
        selected: SelectedStreams,
        written: RemuxedStreams,
        copied: CopiedPackets,
        tally: Tally,
    ) -> RenderReport:
        records = [part.record for part in self.parts]
        summary = joined_summaries([record.summary for record in records])
        file = RenderedFile(
            time_base=parameters.time_base,
            pts=array("q", sorted(self._coded_pts)),
            end_pts=records[-1].end_pts,
            frames_with_faces=sum(record.frames_with_faces for record in records),
            changes=tuple(dict.fromkeys(chain.from_iterable(record.changes for record in records))),
            tally=tally,
            beside=written,
            copied=copied,
            frames_copied=sum(record.frames_copied for record in records),
            fallback_reason=next((one.fallback_reason for one in records if one.fallback_reason), None),
        )
        faces = FaceSummary(
            detections=len(self.faces.detections),
            fullest_ms=self.faces.fullest_ms,
            sampling_interval_ms=interval_ms_of(self.faces, self.settings),
            tracks=summary.tracks,
            edges=summary.edges,
            flags=summary.flags,
            origins=summary.origins,
        )
        return RenderReport.of(video_stream(selected.source), parameters, selected, file, faces)


def _texts(container: InputContainer, selected: SelectedStreams) -> Iterator[bytes]:
    """Yield all texts that the index may contain: tags, titles of chapters, headers of codecs."""
    for metadata in (container.metadata, *(stream.metadata for stream in selected.streams)):
        yield from (text.encode() for pair in metadata.items() for text in pair)
    yield from (str(chapter["metadata"]).encode() for chapter in container.chapters())
    # The header of the video: each segment has its own.
    yield bytes(_HEADER_BYTES)
    for stream in selected.streams:
        yield bytes(getattr(stream.codec_context, "extradata", None) or b"")


def joined_summaries(parts: Sequence[TrackSummary]) -> TrackSummary:
    """Return the summary of a whole video from those of its segments."""
    edges = {
        name: {kind: sum(part.edges[name][kind] for part in parts) for kind in counts}
        for name, counts in parts[0].edges.items()
    }
    flags = in_order({flag for part in parts for flag in part.flags})
    return TrackSummary(sum(part.tracks for part in parts), edges, tuple(flags), parts[0].origins)


def _no_encoder() -> VideoCodecContext:
    raise OutputMismatch("segments are joined by copying; no frame may need an encoder")
