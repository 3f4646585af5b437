"""The function blur-faces, for one segment of a video that several render at once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from blur_container.analysis.face_tracking import track_faces_in
from blur_container.functions.base import Worker
from blur_container.reading.frame_mapping import Subject
from blur_container.rendering.progress import Progress, ProgressLog, Steps
from blur_container.rendering.segment import Segment, SegmentReport
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

# Of a source of 10 GB and 40 segments each reads 300 MB, twice: to look, and to render.
_KEPT_BYTES = 4 * 1024**3


class BlurSegment(Worker):
    """Renders one segment; one that was rendered before, by this plan, is left as it is."""

    def run(self, job: Job, number: int) -> None:
        """Write the video of a segment and, once it is verified, its record."""
        if job.segments is None or number not in job.segments.numbers:
            raise InvalidDocument(f"the job has no segment {number}")
        task = _Task(self, job, job.segments, number)
        with self.log.handling(source=job.source.uri, segment=number) as facts, self.folder() as folder:
            facts["rendered_before"] = task.is_finished()
            if not facts["rendered_before"]:
                facts.update(task.render(folder))


@dataclass(frozen=True)
class _Task:
    """One segment of one job."""

    worker: Worker
    job: Job
    segments: Segments
    number: int

    def is_finished(self) -> bool:
        """Return whether an earlier run of this very code wrote the record, and its video is still there."""
        storage, place = self.worker.storage, self._place(self._keys.report(self.number))
        if not storage.exists(place):
            return False
        record = SegmentRecord.from_json(storage.read_text(place))
        return record.renderer == self.worker.renderer and storage.exists(record.video)

    def render(self, folder: Path) -> dict[str, object]:
        """Render, verify and upload the segment; return the facts of it."""
        steps, storage = Steps(), self.worker.storage
        plan = Plan.from_json(storage.read_text(self.segments.plan))
        self.worker.renderer.require(plan.renderer, "the plan")
        text = storage.read_text(self._place(self._keys.tracks(self.number)))
        document = TracksDocument.from_json(text, track_settings(self.worker.settings.render))
        target = folder / "segment.mp4"
        is_own = {plan.source_id, document.source_id} == {self.job.source.identity}
        if not is_own or len(plan.spans) != len(self.segments.numbers):
            raise InvalidDocument("the plan belongs to another upload")
        with BlockCache(folder, _KEPT_BYTES) as cache:
            source = storage.opened(self.job.source, cache)
            tracks, report = self._rendered(source, plan, document, target, steps)
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

    def _rendered(
        self, source: RemoteObject, plan: Plan, document: TracksDocument, target: Path, steps: Steps
    ) -> tuple[Tracks, SegmentReport]:
        settings, log = self.worker.settings.render, ProgressLog(self.worker.log)
        subject = Subject(plan.source_id, plan.analysed)
        with steps.timed("locate"):
            tracks = track_faces_in(
                source,
                plan.analysed,
                document.graph,
                settings,
                lambda done, total: log(Progress(done, total, "locating")),
                document.others,
            )
        with steps.timed("render") as facts:
            segment = Segment(source, plan.spans[self.number], subject, tracks, settings)
            report = segment.render(target, log)
            facts["bytes"] = target.stat().st_size
        return tracks, report

    @property
    def _keys(self) -> SegmentKeys:
        return SegmentKeys.beside(self.segments.plan)

    def _place(self, key: str) -> ObjectReference:
        return ObjectReference(self.worker.settings.work_bucket, key)
