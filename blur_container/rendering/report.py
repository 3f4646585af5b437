"""The report: what the renderer wrote, counted and timed, in groups, and as the manifest's fields."""

from __future__ import annotations

from array import array
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Protocol, cast

from av.container import InputContainer
from av.video.stream import VideoStream

from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.geometry import Size
from blur_container.reading.decode_checks import Tally
from blur_container.reading.video_tracks import VideoTrack, video_tracks
from blur_container.rendering.frame_drawing import RenderSetup
from blur_container.rendering.progress import Steps
from blur_container.settings import Settings
from blur_container.timing import MS_PER_S
from blur_container.tracking.review import ReviewFlag, review_flags_to_json
from blur_container.writing.output_format import OutputFormat, StreamParameters
from blur_container.writing.packet_digest import CopiedPackets
from blur_container.writing.remux import NOTHING_BESIDE, RemuxedStreams
from blur_container.writing.stream_selection import DroppedStream, SelectedStreams

_CODECS = {"libx264": "h264", "libx265": "hevc"}


@dataclass(frozen=True)
class SourceVideo:
    """The source's video: codec, size of its coded frames, frame rate, and all video tracks of its file."""

    codec: str
    size: Size
    frame_rate: Fraction
    tracks: tuple[VideoTrack, ...]


@dataclass(frozen=True)
class FaceSummary:
    """The faces of one video: its detections, its tracks, and the moments to review."""

    detections: int
    # When the detected faces cover the largest part of the frame, in ms from the first frame.
    fullest_ms: int | None
    sampling_interval_ms: int
    tracks: int
    # How many tracks begin and end in which way.
    edges: dict[str, dict[str, int]]
    flags: tuple[ReviewFlag, ...] = field(repr=False)
    # The moments that detection times may count from.
    origins: TimeOrigins = FROM_FIRST_FRAME


class FrameTimes(Protocol):
    """The times of the frames of one file, in the time base of its video."""

    @property
    def pts(self) -> array[int]:
        """Return the pts of all frames, rising."""

    @property
    def end_pts(self) -> int:
        """Return when the last frame ends."""


@dataclass(frozen=True)
class RenderedFile:
    """One written file: its frames, and the streams beside them, as verification must find them again."""

    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    # Mid-stream changes that were converted to the form of the first frame, in words.
    changes: tuple[str, ...]
    # Frames of the source that no player shows.
    tally: Tally = field(default_factory=Tally)
    beside: RemuxedStreams = NOTHING_BESIDE
    # Packets that were copied into the file; None where every frame was encoded.
    copied: CopiedPackets | None = field(default=None, repr=False)
    # Frames that smart rendering copied from the source.
    frames_copied: int = 0
    # Why smart rendering was asked for and not possible.
    fallback_reason: str | None = None

    @classmethod
    def of(
        cls,
        setup: RenderSetup,
        times: FrameTimes,
        tally: Tally,
        *,
        beside: RemuxedStreams = NOTHING_BESIDE,
        copied: CopiedPackets | None = None,
        fallback_reason: str | None = None,
    ) -> RenderedFile:
        """Return the file that was rendered with `setup`, after its last frame is written."""
        return cls(
            time_base=setup.parameters.time_base,
            pts=times.pts,
            end_pts=times.end_pts,
            frames_with_faces=setup.blurrer.frames_with_faces,
            changes=setup.blurrer.changes,
            tally=tally,
            beside=beside,
            copied=copied,
            frames_copied=copied.digest.packets if copied else 0,
            fallback_reason=fallback_reason,
        )

    @property
    def duration_ms(self) -> float:
        """Return how long the video lasts, from its first frame to the end of its last."""
        return float((self.end_pts - self.pts[0]) * self.time_base * MS_PER_S)


@dataclass(frozen=True)
class RenderReport:
    """A rendered video: its source, its file, its faces, and the parts of the source that were dropped."""

    source: SourceVideo
    file: RenderedFile
    faces: FaceSummary
    output_format: OutputFormat
    dropped_streams: tuple[DroppedStream, ...]
    dropped_tags: tuple[str, ...]

    @classmethod
    def of(
        cls,
        stream: VideoStream,
        parameters: StreamParameters,
        selected: SelectedStreams,
        file: RenderedFile,
        faces: FaceSummary,
    ) -> RenderReport:
        """Return the report of `file`, rendered from the video `stream`, whose container is open."""
        source = SourceVideo(
            codec=stream.codec_context.name,
            size=Size(parameters.first.width, parameters.first.height),
            frame_rate=parameters.frame_rate,
            tracks=video_tracks(cast("InputContainer", stream.container), stream),
        )
        return cls(source, file, faces, parameters.output_format, selected.dropped, selected.dropped_tags())

    @property
    def pts(self) -> array[int]:
        """Return the pts of all frames, rising, in the time base."""
        return self.file.pts

    @property
    def end_pts(self) -> int:
        """Return when the last frame ends, in the time base."""
        return self.file.end_pts

    @property
    def time_base(self) -> Fraction:
        """Return the unit of pts, in seconds."""
        return self.file.time_base

    @property
    def beside(self) -> RemuxedStreams:
        """Return the streams beside the video."""
        return self.file.beside

    @property
    def copied(self) -> CopiedPackets | None:
        """Return the packets that were copied into the file, if any."""
        return self.file.copied

    @property
    def frames_decoded(self) -> int:
        """Return how many frames the source has, counting those that share their time with another."""
        return len(self.pts) + self.file.tally.merged


def report_to_json(report: RenderReport, steps: Steps, settings: Settings) -> dict[str, Any]:
    """Return the manifest's fields of a rendering: settings, source, output, faces, and time per step."""
    source, file, faces, output_format = report.source, report.file, report.faces, report.output_format
    return {
        "code_version": settings.code_version,
        "settings": asdict(settings.render),
        "video": {
            "codec": source.codec,
            "width": source.size.width,
            "height": source.size.height,
            "frame_rate": str(source.frame_rate),
            "duration_ms": round(file.duration_ms),
        },
        "render_mode": "smart" if file.frames_copied else "full",
        "fallback_reason": file.fallback_reason,
        "frames_copied": file.frames_copied,
        "output_video": {
            "codec": _CODECS[output_format.encoder],
            "width": output_format.size.width,
            "height": output_format.size.height,
        },
        "changes": [*output_format.changes, *file.changes, *file.beside.changes],
        "audio_streams": len(file.beside.audio),
        "subtitle_streams": len(file.beside.text),
        "video_tracks": [asdict(track) for track in source.tracks],
        "dropped_streams": [asdict(stream) for stream in report.dropped_streams],
        "dropped_tags": list(report.dropped_tags),
        "detections": faces.detections,
        "detection_times_from": faces.origins.in_words(),
        "fullest_ms": faces.fullest_ms,
        "sampling_interval_ms": faces.sampling_interval_ms,
        "tracks": faces.tracks,
        "track_edges": faces.edges,
        "review_flags": review_flags_to_json(faces.flags),
        "frames": len(file.pts),
        # Frames before the first that can be decoded; frames at the same time as another, which is shown.
        "frames_lost": file.tally.lost,
        "frames_merged": file.tally.merged,
        "frames_with_faces": file.frames_with_faces,
        "steps": steps.to_json(),
    }
