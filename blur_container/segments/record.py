"""The record of a rendered segment, for its concatenation and for the manifest."""

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

RECORD_VERSION = 3
_NAME = "the record of a segment"

Edges = dict[str, dict[str, int]]


@dataclass(frozen=True)
class TrackSummary:
    """The tracks of a segment: how many begin in it, how tracks begin and end in it, review flags.

    `origins` are those that the times of their detections may count from.
    """

    tracks: int
    edges: Edges
    flags: tuple[ReviewFlag, ...]
    origins: TimeOrigins = FROM_FIRST_FRAME

    @classmethod
    def of(cls, tracks: Tracks, plan: Plan, number: int) -> TrackSummary:
        """Return the summary of the tracks that belong to a segment of `plan`, by its number from 0."""
        section = plan.section(number)
        flags = review_flags_of(tracks, plan.duration_ms, section)
        return cls(tracks.begun_in(section), edges_of(tracks, section), tuple(flags), plan.origins)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        flags = [flag.to_json() for flag in self.flags]
        offsets = list(self.origins.offsets_ms)
        return {"tracks": self.tracks, "edges": self.edges, "review_flags": flags, "offsets_ms": offsets}

    @classmethod
    def from_json(cls, value: Any) -> TrackSummary:
        """Return the summary in `value`; raise InvalidDocument if it breaks the contract."""
        fields = require_object(value, "track_summary")
        edges, flags = require_object(fields.get("edges"), "edges"), fields.get("review_flags")
        if not isinstance(flags, list):
            raise InvalidDocument("review_flags must be a list")
        objects = {name: _named(require_object(value, name)) for name, value in _named(edges).items()}
        counted = {
            name: {kind: count_field(counts, kind) for kind in counts} for name, counts in objects.items()
        }
        return cls(
            tracks=count_field(fields, "tracks"),
            edges=counted,
            flags=tuple(ReviewFlag.from_json(flag) for flag in flags),
            origins=TimeOrigins.from_json(fields.get("offsets_ms", [0])),
        )


@dataclass(frozen=True)
class SegmentRecord:
    """A rendered segment: its object, its packets in decoding order, and facts for the manifest.

    `end_pts` is the end of its last frame.
    """

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
        """Return the record of a segment that was rendered, verified and uploaded to `video`."""
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
            "track_summary": self.summary.to_json(),
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
        """Return the record in `text`; raise InvalidDocument if it breaks the contract."""
        document = parse_object(text, _NAME)
        require_version(document, RECORD_VERSION, _NAME)
        digest = StreamDigest(count_field(document, "packets"), text_field(document, "digest"))
        pts, changes = document.get("pts"), document.get("changes")
        if not isinstance(pts, list):
            raise InvalidDocument(f"pts must be a list, not {shown(pts)}")
        if not isinstance(changes, list) or not all(isinstance(text, str) for text in changes):
            raise InvalidDocument(f"changes must be a list of texts, not {shown(changes)}")
        return cls(
            video=ObjectReference.from_json(document.get("video")),
            packets=VideoPackets(array("q", (whole(one, "a pts") for one in pts)), digest),
            end_pts=whole_field(document, "end_pts"),
            frames_with_faces=count_field(document, "frames_with_faces"),
            summary=TrackSummary.from_json(document.get("track_summary")),
            frames_copied=count_field(document, "frames_copied"),
            frames_merged=count_field(document, "frames_merged"),
            fallback_reason=optional_text_field(document, "fallback_reason"),
            changes=tuple(changes),
            steps=_steps(require_object(document.get("steps"), "steps")),
            renderer=RendererVersion.from_json(document.get("renderer")),
        )


def _steps(fields: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the facts of each step by name; raise InvalidDocument if one is no finite number."""
    steps = {name: _named(require_object(facts, "a step")) for name, facts in _named(fields).items()}
    for facts in steps.values():
        for value in facts.values():
            finite(value, "a step")
    return steps


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Return `fields`; raise InvalidDocument if a name is no identifier, because it goes to the manifest."""
    for name in fields:
        if not name.isidentifier():
            raise InvalidDocument(f"a record must not have a field {shown(name)}")
    return fields
