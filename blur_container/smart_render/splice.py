"""Splicing: choose the GOPs to copy and to encode, and make one track for both kinds of packets."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from blur_container.geometry import Size
from blur_container.reading.gop import Run, decode_times
from blur_container.reading.h264 import NotSpliceable
from blur_container.reading.h264_parameters import ParameterRecord, SequenceParameters
from blur_container.reading.source import Source
from blur_container.reading.timestamps import DecodeRange
from blur_container.reading.video import IS_PYAV_18
from blur_container.settings import RenderSettings
from blur_container.smart_render.eligibility import (
    Eligibility,
    StreamSets,
    Times,
    check_eligibility,
    shown_times,
    stream_sets,
)
from blur_container.writing.mp4 import configure_encoder
from blur_container.writing.output_format import StreamParameters
from chalicelib.contract.errors import OutputMismatch


@dataclass(frozen=True)
class Splice:
    """The runs to copy and to encode, the times of all packets, and the header of their track.

    `pts` and `dts` are rising, in the time base of the source's video.
    """

    runs: tuple[Run, ...]
    pts: array[int]
    dts: array[int]
    end_pts: int
    header: bytes
    # The parameter sets of the encoder alone, None where nothing is encoded, and their id.
    encoder_header: bytes | None
    set_id: int
    # Why no packet can be copied; None where only faces decide.
    fallback_reason: str | None = None

    def duration(self, pts: int) -> int:
        """Return how long the frame with `pts` is shown."""
        following = bisect_right(self.pts, pts)
        return (self.pts[following] if following < len(self.pts) else self.end_pts) - pts

    def last_times(self, pts: int) -> tuple[int, int]:
        """Return dts and duration of the last packet in decode order, whose frame is shown at `pts`.

        An MP4 ends when its last packet does, which must not be before its last frame ends.
        """
        dts, duration = self.dts[-1], self.duration(pts)
        needed = self.end_pts - self.pts[0] + self.dts[0]
        if dts + duration >= needed:
            return dts, duration
        return pts, max(duration, needed - pts)

    def picture_type(self, pts: int) -> PictureType:
        """Return the type to encode the frame with `pts` as; NONE leaves it to the encoder.

        Where durations differ the last frame must be decoded last, so it begins a GOP.
        """
        is_last = pts == self.pts[-1] and len(self.pts) > 1
        return PictureType.I if is_last and not self._has_even_durations else PictureType.NONE

    @cached_property
    def _has_even_durations(self) -> bool:
        times = [*self.pts, self.end_pts]
        return len({after - before for before, after in pairwise(times)}) == 1


def plan_splice(
    source: Source, parameters: StreamParameters, settings: RenderSettings, shows_face: Callable[[int], bool]
) -> Splice:
    """Return the splice of `source` that encodes the fewest GOPs: those where `shows_face(pts)` is true.

    Raise NotSpliceable where every GOP has to be encoded.
    """
    _require_pyav()
    found = check_eligibility(source, settings)
    runs = found.groups.runs(shows_face)
    if all(run.encoded for run in runs):
        raise NotSpliceable("a face is shown in every group of pictures")
    if any(run.encoded for run in runs):
        return _Track.of(found.sets, parameters, settings).splice(found, runs)
    pts = array("q", sorted(found.groups.pts))
    dts = decode_times(pts, found.groups.reorder_delay())
    return Splice(runs, pts, dts, found.end_pts, found.sets.header, None, found.sets.record.free_id())


def plan_segment(
    source: Source,
    parameters: StreamParameters,
    settings: RenderSettings,
    shows_face: Callable[[int], bool],
    decode_range: DecodeRange,
) -> Splice:
    """Return the splice of one segment of `source` that encodes the fewest GOPs.

    All segments of a source get the same parameter sets, so one that cannot be copied is encoded with them
    too. Raise NotSpliceable where the source has no such sets.
    """
    _require_pyav()
    track = _Track.of(stream_sets(source, settings), parameters, settings)
    try:
        found = check_eligibility(source, settings, decode_range)
    except NotSpliceable as reason:
        return replace(
            track.encoded(shown_times(source, settings, decode_range)), fallback_reason=str(reason)
        )
    return track.splice(found, found.groups.runs(shows_face))


def _require_pyav() -> None:
    if not IS_PYAV_18:
        raise NotSpliceable("smart rendering needs PyAV 18 and with it Python 3.11 or later")


@dataclass(frozen=True)
class _Track:
    """The header of a track for packets of the source and of the encoder, and the encoder's reorder delay."""

    header: bytes
    encoder_header: bytes
    set_id: int
    encoder_delay: int

    @classmethod
    def of(cls, sets: StreamSets, parameters: StreamParameters, settings: RenderSettings) -> _Track:
        set_id = sets.record.free_id()
        encoder_header = _header(_encoder(parameters, settings, set_id))
        added = ParameterRecord.parse(encoder_header)
        delay = _require_fit(sets.parameters, added)
        return cls(sets.record.joined(added).to_bytes(), encoder_header, set_id, delay)

    def splice(self, found: Eligibility, runs: Sequence[Run]) -> Splice:
        delay = max(found.groups.reorder_delay(), self.encoder_delay)
        return self._spliced(sorted(found.groups.pts), tuple(runs), found.end_pts, delay)

    def encoded(self, times: Times) -> Splice:
        """Return a splice that encodes every frame."""
        runs = (Run(range(len(times.pts)), encoded=True),)
        return self._spliced(times.pts, runs, times.end_pts, self.encoder_delay)

    def _spliced(self, shown: Sequence[int], runs: tuple[Run, ...], end_pts: int, delay: int) -> Splice:
        pts = array("q", shown)
        dts = decode_times(pts, delay)
        return Splice(runs, pts, dts, end_pts, self.header, self.encoder_header, self.set_id)


def _require_fit(theirs: SequenceParameters, added: ParameterRecord) -> int:
    """Raise NotSpliceable unless copied and encoded pictures fit one track; return the encoder's delay."""
    ours = SequenceParameters.parse(added.sequence_sets[0])
    if not ours.progressive:
        raise NotSpliceable("the frames have two fields each")
    if ours.size != theirs.size:
        raise NotSpliceable(f"its pictures are {_text(theirs.size)}, encoded ones {_text(ours.size)}")
    if ours.reorder_frames is None:
        raise NotSpliceable("the encoder does not state how many frames it reorders")
    return ours.reorder_frames


def _text(size: Size) -> str:
    return f"{size.width}x{size.height}"


def _encoder(parameters: StreamParameters, settings: RenderSettings, set_id: int) -> VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    configure_encoder(context, parameters, settings)
    # Like copied packets: parameter sets in the header only, and NAL units with lengths.
    context.flags |= Flags.global_header
    context.options["x264-params"] += f":sps-id={set_id}:annexb=0"
    context.open()
    return context


def splice_encoder(
    splice: Splice, parameters: StreamParameters, settings: RenderSettings
) -> VideoCodecContext:
    """Return an encoder for one run of `splice`, with the parameter sets that are in its header.

    Raise OutputMismatch where the encoder makes others.
    """
    context = _encoder(parameters, settings, splice.set_id)
    if _header(context) != splice.encoder_header:
        raise OutputMismatch("the encoder changed its parameter sets")
    return context


def _header(context: VideoCodecContext) -> bytes:
    return context.extradata or b""
