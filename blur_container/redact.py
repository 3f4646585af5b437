"""Redaction: every frame decoded, its faces blurred, encoded again; one pass, constant memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame

from blur_container.avc import UnfitStream
from blur_container.brush import Brush
from blur_container.canvas import Canvas, Subject
from blur_container.companions import Companions, Written
from blur_container.doubts import Doubt, doubts_of, edges_of
from blur_container.form import Form
from blur_container.frames import read_ahead
from blur_container.geometry import Size
from blur_container.locating import locate
from blur_container.output import Looks, open_container, open_output
from blur_container.privacy import DroppedStream, choose_streams
from blur_container.settings import RenderSettings
from blur_container.smart import Pieces, SplicedOutput
from blur_container.source import Source
from blur_container.splice import CopiedPackets, Splice, plan_splice, splice_encoder
from blur_container.times import presentation_time
from blur_container.tracks import Tracks
from blur_container.video import decoded_frames, open_source, read_only, video_stream
from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.faces import FacesDocument

# One thread decodes and blurs, one encodes: frames between them that keep both busy, 19 MB at 1080p.
FRAMES_AHEAD = 6
_MS_PER_S = 1000


@dataclass(frozen=True)
class Progress:
    """How far a step is; `frames_total` is the container's word and 0 where it has none."""

    frames: int
    frames_total: int
    step: str = "rendering"


@dataclass(frozen=True)
class RenderReport:
    """What was rendered, and what its verification must find again."""

    codec: str
    size: Size
    frame_rate: Fraction
    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    detections: int
    # When faces cover most of the frame.
    fullest_ms: int | None
    tracks: int
    sampling_interval_ms: int
    doubts: tuple[Doubt, ...] = field(repr=False)
    # How many tracks begin and end in which way.
    edges: dict[str, dict[str, int]]
    # Looks and companions: what is there, what is not the source's own, in words, and what is left out.
    form: Form
    beside: Written
    dropped_streams: tuple[DroppedStream, ...]
    dropped_tags: tuple[str, ...]
    # Of a smart render.
    frames_copied: int = 0
    # Packets of the file that were copied into it; None where every frame was encoded.
    copied: CopiedPackets | None = field(default=None, repr=False)
    # Why a smart render was asked for and not possible.
    fallback_reason: str | None = None


def redact_video(
    source: Source,
    target: Path,
    faces: FacesDocument,
    settings: RenderSettings,
    progress: Callable[[Progress], None],
) -> RenderReport:
    """Write `source` to `target` with every face of `faces` blurred; on an error no target is left behind."""
    if isinstance(source, Path) and source.resolve() == target.resolve():
        raise ConfigurationError(f"{source} cannot be both source and target")
    tracks = locate(source, faces, settings, lambda done, total: progress(Progress(done, total, "locating")))
    with open_source(source, settings.limits) as video, open_source(source, settings.limits) as audio:
        return _Redaction(source, video, audio, faces, tracks, settings).run(target, progress)


class _Redaction:
    """One source on its way into one target."""

    def __init__(
        self,
        source: Source,
        video: InputContainer,
        audio: InputContainer,
        faces: FacesDocument,
        tracks: Tracks,
        settings: RenderSettings,
    ) -> None:
        self._stream = video_stream(video)
        self._source, self._video, self._audio = source, video, audio
        self._faces, self._settings = faces, settings
        self._tracks = tracks
        self._pts: array[int] = array("q")
        self._end_pts = 0
        self._copied: CopiedPackets | None = None
        self._fallback_reason: str | None = None
        read_only(video, [self._stream])
        self._kept = choose_streams(audio, video_stream(audio), keep_metadata=settings.keep_metadata)
        read_only(audio, list(self._kept.streams))

    def run(self, target: Path, progress: Callable[[Progress], None]) -> RenderReport:
        threads, limits = self._settings.decoder_threads, self._settings.limits
        with closing(decoded_frames(self._video, self._stream, threads, limits)) as decoded:
            first = next(decoded)
            subject = Subject(self._faces.source_id, self._faces.video)
            canvas = Canvas.of(first, self._stream, subject, self._tracks, self._settings)
            looks, brush = canvas.looks, canvas.brush
            splice = self._splice(looks, brush)
            if splice is None:
                blurred = self._blurred(chain([first], decoded), brush)
                beside = self._write(blurred, looks, target, progress)
            else:
                beside = self._write_spliced(splice, looks, brush, target, progress)
            return self._report(looks, brush, beside)

    def _splice(self, looks: Looks, brush: Brush) -> Splice | None:
        if not self._settings.smart_render:
            return None
        if looks.form.changes:
            self._fallback_reason = looks.form.changes[0]
            return None
        try:
            return plan_splice(self._source, looks, self._settings, brush.shows_face)
        except UnfitStream as reason:
            self._fallback_reason = str(reason)
            return None

    def _blurred(self, decoded: Iterator[VideoFrame], brush: Brush) -> Generator[VideoFrame, None, None]:
        for frame in decoded:
            self._pts.append(presentation_time(frame))
            self._end_pts = self._pts[-1] + frame.duration
            yield brush.draw(frame)

    def _write(
        self,
        blurred: Generator[VideoFrame, None, None],
        looks: Looks,
        target: Path,
        progress: Callable[[Progress], None],
    ) -> Written:
        with (
            nothing_partial(target),
            closing(read_ahead(blurred, FRAMES_AHEAD)) as frames,
            open_output(target, looks, self._kept, self._settings) as output,
        ):
            for count, frame in enumerate(frames, start=1):
                output.write(frame)
                progress(Progress(count, self._stream.frames))
            return output.finish()

    def _write_spliced(
        self,
        splice: Splice,
        looks: Looks,
        brush: Brush,
        target: Path,
        progress: Callable[[Progress], None],
    ) -> Written:
        self._pts, self._end_pts = splice.pts, splice.end_pts
        with (
            nothing_partial(target),
            open_source(self._source, self._settings.limits) as source,
            open_container(target, looks.time_base, self._kept) as container,
        ):
            companions = Companions(self._kept, container)
            encoder = partial(splice_encoder, splice, looks, self._settings)
            output = SplicedOutput(container, video_stream(source), companions, splice, encoder)
            stream = video_stream(source)
            read_only(source, [stream])
            pieces = Pieces(stream, source.demux(stream), splice, brush.draw, self._settings.decoder_threads)
            for count in pieces.write_to(output):
                progress(Progress(count, len(splice.pts)))
            beside = output.finish()
            self._copied = output.copied()
            return beside

    def _report(self, looks: Looks, brush: Brush, beside: Written) -> RenderReport:
        duration_ms = float((self._end_pts - self._pts[0]) * looks.time_base * _MS_PER_S)
        return RenderReport(
            codec=self._stream.codec_context.name,
            size=Size(looks.first.width, looks.first.height),
            frame_rate=looks.frame_rate,
            time_base=looks.time_base,
            pts=self._pts,
            end_pts=self._end_pts,
            frames_with_faces=brush.frames_with_faces,
            detections=len(self._faces.detections),
            fullest_ms=self._faces.fullest_ms,
            tracks=self._tracks.count,
            sampling_interval_ms=self._tracks.interval_ms,
            doubts=tuple(doubts_of(self._tracks, duration_ms)),
            edges=edges_of(self._tracks),
            form=looks.form,
            beside=beside,
            dropped_streams=self._kept.dropped,
            dropped_tags=self._kept.dropped_tags(),
            frames_copied=self._copied.digest.packets if self._copied else 0,
            copied=self._copied,
            fallback_reason=self._fallback_reason,
        )


@contextmanager
def nothing_partial(target: Path) -> Iterator[None]:
    """Leave no file at `target` behind where writing it fails."""
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise
