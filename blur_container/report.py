"""The report: what the renderer counted and timed, as the manifest carries it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from blur_container.doubts import doubts_to_json
from blur_container.redact import RenderReport
from blur_container.settings import Settings

_CODECS = {"libx264": "h264", "libx265": "hevc"}


class Steps:
    """Seconds and bytes of each step, in the order they were taken."""

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, float]] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[dict[str, float]]:
        """Time one step; its bytes go into the yielded dict."""
        begin_s = time.monotonic()
        facts: dict[str, float] = {}
        yield facts
        self._steps[name] = {"seconds": round(time.monotonic() - begin_s, 3), **facts}

    def to_json(self) -> dict[str, dict[str, float]]:
        """Return the steps as a JSON object."""
        return dict(self._steps)


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
            "codec": _CODECS[report.form.encoder],
            "width": report.form.size.width,
            "height": report.form.size.height,
        },
        "changes": [*report.form.changes, *report.changes, *report.beside.changes],
        "audio_streams": len(report.beside.audio),
        "subtitle_streams": len(report.beside.text),
        "video_tracks": [asdict(track) for track in report.video_tracks],
        "dropped_streams": [asdict(stream) for stream in report.dropped_streams],
        "dropped_tags": list(report.dropped_tags),
        "detections": report.detections,
        "detection_times_from": report.readings.in_words(),
        "fullest_ms": report.fullest_ms,
        "sampling_interval_ms": report.sampling_interval_ms,
        "tracks": report.tracks,
        "track_edges": report.edges,
        "doubts": doubts_to_json(report.doubts),
        "frames": len(report.pts),
        # Shown before the first frame that can be decoded; at one time with another, which is shown.
        "frames_lost": report.tally.lost,
        "frames_merged": report.tally.merged,
        "frames_with_faces": report.frames_with_faces,
        "steps": steps.to_json(),
    }
