"""Redaction: every frame decoded, its faces blurred, encoded again; one pass, constant memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from av.container import InputContainer

from blur_container.analysis.face_tracking import track_faces
from blur_container.analysis.time_origins import require_detections_within, time_origins_of
from blur_container.geometry import Size
from blur_container.reading.avi import with_times
from blur_container.reading.decode_checks import Tally
from blur_container.reading.frame_mapping import Subject
from blur_container.reading.source import Source
from blur_container.reading.timestamps import presentation_time, time_base
from blur_container.reading.video import decoded_frames, first_frame, open_source, read_only, video_stream
from blur_container.reading.video_tracks import video_tracks
from blur_container.rendering.encode import Drawing, Rendering
from blur_container.rendering.frame_drawing import RenderSetup
from blur_container.rendering.progress import Progress
from blur_container.rendering.report import RenderReport
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import plan_splice
from blur_container.timing import MS_PER_S, Clock
from blur_container.tracking.review import edges_of, review_flags_of
from blur_container.tracking.tracks import Tracks
from blur_container.writing.remux import RemuxedStreams
from blur_container.writing.stream_selection import choose_streams
from chalicelib.contract.errors import ConfigurationError, InvalidDocument
from chalicelib.contract.faces import FacesDocument


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
    limits = settings.limits
    with with_times(source, target.parent, limits) as pictures:
        with first_frame(pictures, limits) as (first, stream):
            clock = Clock(presentation_time(first), time_base(stream))
            origins = time_origins_of(stream, clock, faces, settings)
        tracks = track_faces(
            pictures,
            faces,
            settings,
            lambda done, total: progress(Progress(done, total, "locating")),
            origins,
        )
        with open_source(pictures, limits) as video, open_source(source, limits) as audio:
            report = _Redaction(pictures, video, audio, faces, tracks, settings).run(target, progress)
    try:
        require_detections_within(faces, origins, report.duration_ms, settings)
    except InvalidDocument:
        target.unlink()
        raise
    return replace(report, origins=origins)


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
        self._tracks, self._tally = tracks, Tally()
        read_only(video, [self._stream])
        self._kept = choose_streams(audio, video_stream(audio), keep_metadata=settings.keep_metadata)
        read_only(audio, list(self._kept.streams))

    def run(self, target: Path, progress: Callable[[Progress], None]) -> RenderReport:
        threads, limits = self._settings.decoder_threads, self._settings.limits
        frames = decoded_frames(self._video, self._stream, threads, limits, tally=self._tally)
        with closing(frames) as decoded:
            first = next(decoded)
            subject = Subject(self._faces.source_id, self._faces.video)
            setup = RenderSetup.of(first, self._stream, subject, self._tracks, self._settings)
            parameters, blurrer = setup.parameters, setup.blurrer
            rendering = Rendering(self._source, target, parameters, self._kept, self._settings, progress)
            splice, reason = rendering.plan(
                partial(plan_splice, self._source, parameters, self._settings, blurrer.shows_face)
            )
            if splice is None:
                drawing = Drawing(blurrer.draw)
                beside = rendering.encode(drawing.of(chain([first], decoded)), self._stream.frames)
                report = self._report(setup, drawing.pts, drawing.end_pts, beside)
                return replace(report, fallback_reason=reason)
            beside, copied = rendering.copy(splice, blurrer.draw, None)
            report = self._report(setup, splice.pts, splice.end_pts, beside)
            return replace(report, copied=copied, frames_copied=copied.digest.packets)

    def _report(
        self, setup: RenderSetup, pts: array[int], end_pts: int, beside: RemuxedStreams
    ) -> RenderReport:
        parameters = setup.parameters
        duration_ms = float((end_pts - pts[0]) * parameters.time_base * MS_PER_S)
        return RenderReport(
            codec=self._stream.codec_context.name,
            size=Size(parameters.first.width, parameters.first.height),
            frame_rate=parameters.frame_rate,
            time_base=parameters.time_base,
            pts=pts,
            end_pts=end_pts,
            frames_with_faces=setup.blurrer.frames_with_faces,
            detections=len(self._faces.detections),
            fullest_ms=self._faces.fullest_ms,
            tracks=self._tracks.count,
            sampling_interval_ms=self._tracks.interval_ms,
            flags=tuple(review_flags_of(self._tracks, duration_ms)),
            edges=edges_of(self._tracks),
            output_format=parameters.output_format,
            beside=beside,
            dropped_streams=self._kept.dropped,
            dropped_tags=self._kept.dropped_tags(),
            changes=setup.blurrer.changes,
            video_tracks=video_tracks(self._video, self._stream),
            tally=self._tally,
        )
