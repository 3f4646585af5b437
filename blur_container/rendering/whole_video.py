"""Redaction of a whole video: track its faces in a low-resolution pass, then decode, blur and encode.

The source is read twice or more: to find its first frame, to track faces around the detections, to plan smart
rendering, and to render. Memory does not grow with the length of the video, except for times and tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from blur_container.analysis.face_tracking import track_faces
from blur_container.analysis.time_origins import TimeOrigins, require_detections_within, time_origins_of
from blur_container.reading.avi import with_times
from blur_container.reading.decode_checks import Tally
from blur_container.reading.frame_mapping import Subject
from blur_container.reading.source import Source
from blur_container.reading.timestamps import presentation_time, time_base
from blur_container.reading.video import decoded_frames, first_frame, open_source, read_only, video_stream
from blur_container.rendering.encode import DrawnFrames, Rendering
from blur_container.rendering.frame_drawing import RenderSetup
from blur_container.rendering.progress import Progress
from blur_container.rendering.report import FaceSummary, RenderedFile, RenderReport
from blur_container.settings import RenderSettings
from blur_container.smart_render.splice import plan_splice
from blur_container.timing import Clock
from blur_container.tracking.review import edges_of, review_flags_of
from blur_container.tracking.tracks import Tracks
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
    """Write `source` to `target` with every face of `faces` blurred; delete `target` again on an error."""
    if isinstance(source, Path) and source.resolve() == target.resolve():
        raise ConfigurationError(f"{source} cannot be both source and target")
    with with_times(source, target.parent, settings.limits) as timed:
        with first_frame(timed, settings.limits) as (first, stream):
            clock = Clock(presentation_time(first), time_base(stream))
            origins = time_origins_of(stream, clock, faces, settings)
        tracks = track_faces(
            timed, faces, settings, lambda done, total: progress(Progress(done, total, "locating")), origins
        )
        redaction = _Redaction(source, timed, faces, tracks, origins, settings)
        report = redaction.render(target, progress)
    try:
        require_detections_within(faces, origins, report.file.duration_ms, settings)
    except InvalidDocument:
        target.unlink()
        raise
    return report


@dataclass(frozen=True)
class _Redaction:
    """One video and its tracks; `timed` has the video of `source` with a time for every frame."""

    source: Source
    timed: Source
    faces: FacesDocument
    tracks: Tracks
    origins: TimeOrigins
    settings: RenderSettings

    def render(self, target: Path, progress: Callable[[Progress], None]) -> RenderReport:
        """Write the video and the streams beside it to `target`."""
        settings, limits, tally = self.settings, self.settings.limits, Tally()
        with open_source(self.timed, limits) as video, open_source(self.source, limits) as others:
            stream = video_stream(video)
            read_only(video, [stream])
            selected = choose_streams(others, video_stream(others), keep_metadata=settings.keep_metadata)
            read_only(others, list(selected.streams))
            frames = decoded_frames(video, stream, settings.decoder_threads, limits, tally=tally)
            with closing(frames) as decoded:
                first = next(decoded)
                subject = Subject(self.faces.source_id, self.faces.video)
                setup = RenderSetup.of(first, stream, subject, self.tracks, settings)
                parameters, blurrer = setup.parameters, setup.blurrer
                rendering = Rendering(self.timed, target, parameters, selected, settings, progress)
                splice, reason = rendering.plan(
                    partial(plan_splice, self.timed, parameters, settings, blurrer.shows_face)
                )
                if splice is None:
                    drawn = DrawnFrames(blurrer.draw)
                    beside = rendering.encode(drawn.of(chain([first], decoded)), stream.frames)
                    file = RenderedFile.of(setup, drawn, tally, beside=beside, fallback_reason=reason)
                else:
                    beside, copied = rendering.copy(splice, blurrer.draw, None)
                    file = RenderedFile.of(setup, splice, tally, beside=beside, copied=copied)
            return RenderReport.of(stream, parameters, selected, file, self._face_summary(file.duration_ms))

    def _face_summary(self, duration_ms: float) -> FaceSummary:
        return FaceSummary(
            detections=len(self.faces.detections),
            fullest_ms=self.faces.fullest_ms,
            sampling_interval_ms=self.tracks.interval_ms,
            tracks=self.tracks.count,
            edges=edges_of(self.tracks),
            flags=tuple(review_flags_of(self.tracks, duration_ms)),
            origins=self.origins,
        )
