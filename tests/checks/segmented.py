"""Render a video on files, in one piece or in segments, and verify the output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blur_container.analysis.face_tracking import track_faces_in
from blur_container.reading.frame_mapping import Subject
from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport
from blur_container.rendering.segment import Segment
from blur_container.rendering.whole_video import redact_video
from blur_container.segments.concat import Concatenation, RenderedSegment
from blur_container.segments.plan import Plan
from blur_container.segments.planner import Planner
from blur_container.segments.record import SegmentRecord, TrackSummary
from blur_container.settings import CuttingSettings, RenderSettings
from blur_container.tracking.tracklets import track_settings
from blur_container.tracking.tracklets_document import TracksDocument
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.windows import Windows
from blur_container.writing.mp4 import open_container
from blur_container.writing.verification import verify_output
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.objects import ObjectReference
from tests.clips import document_of

EAGER = CuttingSettings(aim_s=0.01, at_once=4)


@dataclass(frozen=True)
class InSegments:
    """One source and its faces, to be rendered in segments; files lie in `folder`."""

    source: Path
    faces: FacesDocument
    folder: Path
    settings: RenderSettings

    def planned(self) -> Plan | None:
        """Return the plan, or None where the video stays whole."""
        size_bytes = self.source.stat().st_size
        return Planner(self.source, size_bytes, lambda: 1, self.faces, 500, self.settings, EAGER, "1").plan()

    def plan(self) -> Plan:
        """Return the plan, which must have more than one segment."""
        plan = self.planned()
        assert plan is not None
        return plan

    def tracks(self, plan: Plan, number: int) -> Tracks:
        """Return the tracks of one segment, by way of its document."""
        graphs = plan.origins.tracklet_graphs(self.faces, self.settings)
        window, *others = (Windows(graph).of(plan.section(number)) for graph in graphs)
        text = TracksDocument(self.faces.source_id, window, tuple(others)).to_json()
        document = TracksDocument.from_json(text, track_settings(self.settings))
        return track_faces_in(
            self.source, self.faces.video, document.graph, self.settings, others=document.others
        )

    def part(self, plan: Plan, number: int) -> RenderedSegment:
        """Return one rendered segment, by way of its record."""
        target, tracks = self.folder / f"{number}.mp4", self.tracks(plan, number)
        subject = Subject(plan.source_id, plan.analysed)
        segment = Segment(self.source, plan.spans[number], subject, tracks, self.settings)
        report = segment.render(target, lambda _progress: None)
        video, summary = ObjectReference("work", target.name), TrackSummary.of(tracks, plan, number)
        packets = verify_output(target, report)
        record = SegmentRecord.of(report, packets, summary, video, Steps(), plan.renderer)
        return RenderedSegment(target, SegmentRecord.from_json(record.to_json()))

    def parts(self) -> list[RenderedSegment]:
        """Return all rendered segments."""
        plan = self.plan()
        return [self.part(plan, number) for number in range(len(plan.spans))]

    def join(self, parts: list[RenderedSegment], target: Path) -> RenderReport:
        """Write the joined and verified video to `target`."""
        concatenation = Concatenation(self.source, parts, self.faces, self.settings)
        report = concatenation.write(partial(open_container, target), lambda _progress: None)
        verify_output(target, report)
        return report


SETTINGS = RenderSettings()
NO_FACES = document_of([])


def ignore(_: object) -> None:
    """Take progress and say nothing."""


def render(
    source: Path, faces: FacesDocument = NO_FACES, settings: RenderSettings = SETTINGS
) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    target = source.with_name("out.mp4")
    report = redact_video(source, target, faces, settings, ignore)
    verify_output(target, report)
    return report


def render_in_segments(
    source: Path, faces: FacesDocument, settings: RenderSettings = SETTINGS
) -> RenderReport:
    """Render `source` in segments to `out.mp4` beside it, and verify that."""
    segmented = InSegments(source, faces, source.parent, settings)
    return segmented.join(segmented.parts(), source.with_name("out.mp4"))


def render_as_planned(
    source: Path, faces: FacesDocument, settings: RenderSettings = SETTINGS
) -> RenderReport:
    """Render `source` to `out.mp4` beside it, in segments where a plan has some, and verify that."""
    plan = InSegments(source, faces, source.parent, settings).planned()
    return (render if plan is None else render_in_segments)(source, faces, settings)


WAYS = {"one piece": render, "segments": render_in_segments}
