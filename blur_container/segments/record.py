"""The record of a rendered segment: what the assembly and the manifest need to know of it."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from typing import Any

from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderedFile
from blur_container.segments.plan import Plan
from blur_container.segments.renderer_version import RendererVersion
from blur_container.tracking.review import ReviewFlag, edges_of, review_flags_of
from blur_container.tracking.tracks import Tracks
from blur_container.writing.packet_digest import StreamDigest
from blur_container.writing.verification import VideoPackets
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import (
    count_field,
    finite,
    optional_text_field,
    parse_object,
    require_object,
    require_version,
    shown,
    text_field,
    whole,
    whole_field,
)
from chalicelib.contract.objects import ObjectReference

RECORD_VERSION = 2

Edges = dict[str, dict[str, int]]


@dataclass(frozen=True)
class TrackSummary:
    """The faces seen in a segment: tracks that begin in it, how tracks begin and end, review flags.

    `origins` says from where the times of their detections were counted.
    """

    tracks: int
    edges: Edges
    flags: tuple[ReviewFlag, ...]
    origins: TimeOrigins = FROM_FIRST_FRAME

    @classmethod
    def of(cls, tracks: Tracks, plan: Plan, number: int) -> TrackSummary:
        """Return what a segment of `plan` owns of the tracks that cover it."""
        section = plan.section(number)
        flags = review_flags_of(tracks, plan.duration_ms, section)
        return cls(tracks.begun_in(section), edges_of(tracks, section), tuple(flags), plan.origins)

    def to_json(self) -> dict[str, Any]:
        """Return the findings as a JSON object."""
        flags = [flag.to_json() for flag in self.flags]
        offsets = list(self.origins.offsets_ms)
        return {"tracks": self.tracks, "edges": self.edges, "review_flags": flags, "offsets_ms": offsets}

    @classmethod
    def from_json(cls, value: Any) -> TrackSummary:
        """Return the findings in `value`; raise InvalidDocument where it breaks the rules."""
        fields = require_object(value, "findings")
        edges, flags = require_object(fields.get("edges"), "edges"), fields.get("review_flags")
        if not isinstance(flags, list):
            raise InvalidDocument("review flags must be a list")
        counted = {name: _counts(require_object(counts, name)) for name, counts in _named(edges).items()}
        return cls(
            tracks=count_field(fields, "tracks"),
            edges=counted,
            flags=tuple(ReviewFlag.from_json(flag) for flag in flags),
            origins=TimeOrigins.from_json(fields.get("offsets_ms", [0])),
        )


@dataclass(frozen=True)
class SegmentRecord:
    """A rendered segment: its place, its packets as they are decoded, its last frame's end, its renderer."""

    video: ObjectReference
    packets: VideoPackets
    end_pts: int
    frames_with_faces: int
    summary: TrackSummary
    frames_copied: int
    frames_merged: int
    fallback_reason: str | None
    changes: tuple[str, ...]
    steps: dict[str, dict[str, float]]
    renderer: RendererVersion

    @classmethod
    def of(
        cls,
        report: RenderedFile,
        packets: VideoPackets,
        summary: TrackSummary,
        video: ObjectReference,
        steps: Steps,
        renderer: RendererVersion,
    ) -> SegmentRecord:
        """Return the record of a segment that was rendered, verified, and lies at `video`."""
        return cls(
            video=video,
            packets=packets,
            end_pts=report.end_pts,
            frames_with_faces=report.frames_with_faces,
            summary=summary,
            frames_copied=report.frames_copied,
            frames_merged=report.tally.merged,
            fallback_reason=report.fallback_reason,
            changes=report.changes,
            steps=steps.to_json(),
            renderer=renderer,
        )

    def to_json(self) -> str:
        """Return the record as JSON text."""
        document = {
            "version": RECORD_VERSION,
            "video": self.video.to_json(),
            "pts": list(self.packets.pts),
            "packets": self.packets.digest.packets,
            "digest": self.packets.digest.hexdigest,
            "end_pts": self.end_pts,
            "frames_with_faces": self.frames_with_faces,
            "findings": self.summary.to_json(),
            "frames_copied": self.frames_copied,
            "frames_merged": self.frames_merged,
            "fallback_reason": self.fallback_reason,
            "changes": list(self.changes),
            "steps": self.steps,
            "renderer": self.renderer.to_json(),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> SegmentRecord:
        """Return the record in `text`; raise InvalidDocument where it breaks the rules."""
        document = parse_object(text, "the record of a segment")
        require_version(document, RECORD_VERSION, "the record of a segment")
        digest = StreamDigest(count_field(document, "packets"), text_field(document, "digest"))
        return cls(
            video=ObjectReference.from_json(document.get("video")),
            packets=VideoPackets(_times(document.get("pts")), digest),
            end_pts=whole_field(document, "end_pts"),
            frames_with_faces=count_field(document, "frames_with_faces"),
            summary=TrackSummary.from_json(document.get("findings")),
            frames_copied=count_field(document, "frames_copied"),
            frames_merged=count_field(document, "frames_merged"),
            fallback_reason=optional_text_field(document, "fallback_reason"),
            changes=_texts(document.get("changes")),
            steps=_steps(require_object(document.get("steps"), "steps")),
            renderer=RendererVersion.from_json(document.get("renderer")),
        )


def _counts(fields: dict[str, Any]) -> dict[str, int]:
    return {name: count_field(fields, name) for name in _named(fields)}


def _steps(fields: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {name: _numbers(require_object(facts, "a step")) for name, facts in _named(fields).items()}


def _numbers(fields: dict[str, Any]) -> dict[str, float]:
    for value in _named(fields).values():
        finite(value, "a step")
    return fields


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Return `fields`, which go into the manifest under their names."""
    for name in fields:
        if not name.isidentifier():
            raise InvalidDocument(f"a record must not hold a field {shown(name)}")
    return fields


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InvalidDocument(f"changes must be a list of texts, not {shown(value)}")
    return tuple(value)


def _times(value: Any) -> array[int]:
    if not isinstance(value, list):
        raise InvalidDocument(f"pts must be a list, not {shown(value)}")
    return array("q", (whole(one, "a pts") for one in value))
