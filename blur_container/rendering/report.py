"""The report: what the renderer counted and timed, as the manifest carries it."""

from __future__ import annotations

from array import array
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.geometry import Size
from blur_container.reading.decode_checks import Tally
from blur_container.reading.video_tracks import VideoTrack
from blur_container.rendering.progress import Steps
from blur_container.settings import Settings
from blur_container.timing import MS_PER_S
from blur_container.tracking.review import ReviewFlag, review_flags_to_json
from blur_container.writing.output_format import OutputFormat
from blur_container.writing.packet_digest import CopiedPackets
from blur_container.writing.remux import RemuxedStreams
from blur_container.writing.stream_selection import DroppedStream

_CODECS = {"libx264": "h264", "libx265": "hevc"}


def report_to_json(report: RenderReport, steps: Steps, settings: Settings) -> dict[str, Any]:
    """Return what the manifest says of a rendering."""
    return {
        "code_version": settings.code_version,
        "settings": asdict(settings.render),
        "video": {
            "codec": report.codec,
            "width": report.size.width,
            "height": report.size.height,
            "frame_rate": str(report.frame_rate),
            "duration_ms": round(report.duration_ms),
        },
        "render_mode": "smart" if report.frames_copied else "full",
        "fallback_reason": report.fallback_reason,
        "frames_copied": report.frames_copied,
        "output_video": {
            "codec": _CODECS[report.output_format.encoder],
            "width": report.output_format.size.width,
            "height": report.output_format.size.height,
        },
        "changes": [*report.output_format.changes, *report.changes, *report.beside.changes],
        "audio_streams": len(report.beside.audio),
        "subtitle_streams": len(report.beside.text),
        "video_tracks": [asdict(track) for track in report.video_tracks],
        "dropped_streams": [asdict(stream) for stream in report.dropped_streams],
        "dropped_tags": list(report.dropped_tags),
        "detections": report.detections,
        "detection_times_from": report.origins.in_words(),
        "fullest_ms": report.fullest_ms,
        "sampling_interval_ms": report.sampling_interval_ms,
        "tracks": report.tracks,
        "track_edges": report.edges,
        "review_flags": review_flags_to_json(report.flags),
        "frames": len(report.pts),
        # Shown before the first frame that can be decoded; at one time with another, which is shown.
        "frames_lost": report.tally.lost,
        "frames_merged": report.tally.merged,
        "frames_with_faces": report.frames_with_faces,
        "steps": steps.to_json(),
    }


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
    flags: tuple[ReviewFlag, ...] = field(repr=False)
    # How many tracks begin and end in which way.
    edges: dict[str, dict[str, int]]
    # Looks and companions: what is there, what is not the source's own, in words, and what is left out.
    output_format: OutputFormat
    beside: RemuxedStreams
    dropped_streams: tuple[DroppedStream, ...]
    dropped_tags: tuple[str, ...]
    # What changed on the way and was made like the first frame, in words.
    changes: tuple[str, ...]
    # All of the source; one of them was rendered.
    video_tracks: tuple[VideoTrack, ...]
    # Frames of the source that no player shows.
    tally: Tally = field(default_factory=Tally)
    # Of a smart render.
    frames_copied: int = 0
    # Packets of the file that were copied into it; None where every frame was encoded.
    copied: CopiedPackets | None = field(default=None, repr=False)
    # Why a smart render was asked for and not possible.
    fallback_reason: str | None = None
    # From where the times of the detections were counted.
    origins: TimeOrigins = FROM_FIRST_FRAME

    @property
    def duration_ms(self) -> float:
        """Return how long the video lasts, from its first frame to the end of its last."""
        return float((self.end_pts - self.pts[0]) * self.time_base * MS_PER_S)

    @property
    def frames_decoded(self) -> int:
        """Return how many frames the source has, counting those that share their time with another."""
        return len(self.pts) + self.tally.merged
