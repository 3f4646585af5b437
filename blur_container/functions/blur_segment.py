"""The function blur-faces for one segment of a video; several invocations render one video at once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from blur_container.analysis.face_tracking import track_faces_in
from blur_container.functions.base import FunctionContext
from blur_container.reading.frame_mapping import Subject
from blur_container.rendering.progress import Progress, ProgressLog, Steps
from blur_container.rendering.segment import Segment
from blur_container.segments.plan import Plan
from blur_container.segments.record import SegmentRecord, TrackSummary
from blur_container.storage.block_cache import BlockCache
from blur_container.storage.range_reader import RemoteObject
from blur_container.storage.s3 import MP4
from blur_container.tracking.tracklets import track_settings
from blur_container.tracking.tracklets_document import TracksDocument
from blur_container.tracking.tracks import Tracks
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import Job
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.segments import SegmentKeys, Segments

# Of a source of 10 GB in 40 segments each invocation reads 300 MB twice: to track faces, and to render.
_CACHE_BYTES = 4 * 1024**3


def blur_segment(context: FunctionContext, job: Job, number: int) -> None:
    """Write the video of a segment and, once it is verified, its record.

    A segment that this code has rendered already, by the same plan, is left as it is.
    """
    if job.segments is None or number not in job.segments.numbers:
        raise InvalidDocument(f"the job has no segment {number}")
    task = _SegmentTask(context, job, job.segments, number)
    with context.log.handling(source=job.source.uri, segment=number) as facts, context.folder() as folder:
        facts["rendered_before"] = task.is_finished()
        if not facts["rendered_before"]:
            facts.update(task.render(folder))


@dataclass(frozen=True)
class _SegmentTask:
    """One segment of one job."""

    context: FunctionContext
    job: Job
    segments: Segments
    number: int

    def is_finished(self) -> bool:
        """Return whether this renderer has written the record before, and its video still exists."""
        storage, place = self.context.storage, self._place(self._keys.report(self.number))
        if not storage.exists(place):
            return False
        record = SegmentRecord.from_json(storage.read_text(place))
        return record.renderer == self.context.renderer and storage.exists(record.video)

    def render(self, folder: Path) -> dict[str, object]:
        """Render, verify and upload the segment; return facts for the log."""
        steps, storage, log = Steps(), self.context.storage, ProgressLog(self.context.log)
        plan, document = self._documents()
        target = folder / "segment.mp4"
        with BlockCache(folder, _CACHE_BYTES) as cache:
            source = storage.opened(self.job.source, cache)
            with steps.timed("locate"):
                tracks = self._tracks(source, plan, document, log)
            subject = Subject(plan.source_id, plan.analysed)
            with steps.timed("render") as facts:
                segment = Segment(
                    source, plan.spans[self.number], subject, tracks, self.context.settings.render
                )
                report = segment.render(target, log)
                facts["bytes"] = target.stat().st_size
            with steps.timed("verify"):
                packets = verify_output(target, report)
            read = {"bytes_read": source.fetched_bytes, "requests": source.requests}
        video = self._place(self._keys.video(self.number, uuid.uuid4().hex))
        with steps.timed("upload") as facts:
            facts["bytes"] = storage.upload(target, video, MP4, {})
        summary = TrackSummary.of(tracks, plan, self.number)
        record = SegmentRecord.of(report, packets, summary, video, steps, plan.renderer)
        storage.write_json(record.to_json(), self._place(self._keys.report(self.number)))
        return {"frames": len(report.pts), **read, "steps": steps.to_json()}

    def _documents(self) -> tuple[Plan, TracksDocument]:
        """Read the plan and the segment's tracks; raise InvalidDocument or RendererChanged."""
        storage, settings = self.context.storage, self.context.settings.render
        plan = Plan.from_json(storage.read_text(self.segments.plan))
        self.context.renderer.require(plan.renderer, "the plan")
        text = storage.read_text(self._place(self._keys.tracks(self.number)))
        document = TracksDocument.from_json(text, track_settings(settings))
        is_own = {plan.source_id, document.source_id} == {self.job.source.identity}
        if not is_own or len(plan.spans) != len(self.segments.numbers):
            raise InvalidDocument("the plan belongs to another upload")
        return plan, document

    def _tracks(self, source: RemoteObject, plan: Plan, document: TracksDocument, log: ProgressLog) -> Tracks:
        return track_faces_in(
            source,
            plan.analysed,
            document.graph,
            self.context.settings.render,
            lambda done, total: log(Progress(done, total, "locating")),
            document.others,
        )

    @property
    def _keys(self) -> SegmentKeys:
        return SegmentKeys.beside(self.segments.plan)

    def _place(self, key: str) -> ObjectReference:
        return ObjectReference(self.context.settings.work_bucket, key)
