"""The function assemble-video: a job comes in whose segments are rendered; a verified video goes out."""

from __future__ import annotations

import uuid
from functools import partial

from blur_container.functions.base import Worker
from blur_container.rendering.progress import ProgressLog, Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.segments.concat import Concatenation, RenderedSegment
from blur_container.segments.plan import Plan
from blur_container.segments.record import SegmentRecord
from blur_container.storage.block_cache import BlockCache
from blur_container.storage.s3 import MP4
from blur_container.writing.mp4 import open_streamed
from blur_container.writing.verification import verify_output
from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.errors import InvalidDocument, OutputMismatch
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.segments import SegmentKeys, Segments

# All files are read from front to back: few requests, and room for what lies side by side.
_AHEAD_BYTES = 16 * 1024**2
_KEPT_BYTES = 8 * _AHEAD_BYTES
# What stands before and behind the index, and is written again at the end as it is: ftyp, and mdat's length.
_MDAT_HEAD_BYTES = 4096


class AssembleVideo(Worker):
    """Joins rendered segments inside of S3; nothing of the video lies on disk but a few blocks."""

    def run(self, job: Job) -> Job:
        """Return `job` with its output; that appears when the joined video has passed its verification."""
        if job.segments is None:
            raise InvalidDocument("the job has no segments")
        steps, delivery = Steps(), self.delivery(job)
        with (
            self.log.handling(source=job.source.uri) as facts,
            self.folder() as folder,
            BlockCache(folder, _KEPT_BYTES) as cache,
        ):
            before = delivery.finished_before()
            facts["delivered_before"] = before is not None
            if before is not None:
                return before
            opened = partial(self.storage.opened, cache=cache, ahead_bytes=_AHEAD_BYTES)
            faces, plan, records = self._documents(job, job.segments)
            source = opened(job.source)
            parts = [RenderedSegment(opened(record.video), record) for record in records]
            concatenation = Concatenation(source, parts, faces, self.settings.render)
            keys = SegmentKeys.beside(job.segments.plan)
            joined = ObjectReference(self.settings.work_bucket, keys.joined(uuid.uuid4().hex))
            report = self._join(concatenation, joined, steps)
            if report.frames_decoded != plan.frames:
                raise OutputMismatch(f"{report.frames_decoded} frames of the {plan.frames} in the index")
            with steps.timed("verify") as verified:
                written = opened(joined)
                verify_output(written, report)
                verified["bytes"] = written.size_bytes
            described = report_to_json(report, steps, self.settings)
            segments = [record.steps for record in records]
            target = delivery.bucket.output
            with steps.timed("deliver"):
                delivered = delivery.run(
                    {**described, "segments": segments},
                    partial(self.storage.copy_over, joined, target, MP4, output_metadata(job)),
                )
            facts.update(frames=len(report.pts), segments=len(parts), steps=steps.to_json())
        return delivered

    def _documents(self, job: Job, segments: Segments) -> tuple[FacesDocument, Plan, list[SegmentRecord]]:
        faces = self.faces(job)
        plan = Plan.from_json(self.storage.read_text(segments.plan))
        if plan.source_id != job.source.identity or len(plan.spans) != len(segments.numbers):
            raise InvalidDocument("the plan belongs to another upload")
        self.renderer.require(plan.renderer, "the plan")
        keys = SegmentKeys.beside(segments.plan)
        places = (ObjectReference(segments.plan.bucket, keys.report(number)) for number in segments.numbers)
        records = [SegmentRecord.from_json(self.storage.read_text(place)) for place in places]
        for number, record in enumerate(records):
            self.renderer.require(record.renderer, f"segment {number}")
        return faces, plan, records

    def _join(self, concatenation: Concatenation, joined: ObjectReference, steps: Steps) -> RenderReport:
        with steps.timed("assemble") as facts:
            moov_bytes = concatenation.moov_bytes()
            with self.storage.writer(joined, MP4, {}, moov_bytes + _MDAT_HEAD_BYTES) as writer:
                report = concatenation.write(
                    partial(open_streamed, writer, moov_bytes), ProgressLog(self.log)
                )
                facts["bytes"] = writer.complete()
        return report
