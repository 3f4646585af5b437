"""The Lambda functions of the image: a job comes in, the work is done, the job goes on."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from blur_container.assemble_video import AssembleVideo
from blur_container.blur_segment import BlurSegment
from blur_container.plan_segments import PlanSegments
from blur_container.progress import ProgressLog
from blur_container.redact import RenderReport, redact_video
from blur_container.report import Steps, report_to_json
from blur_container.scratch import clear_leftovers, temporary_root
from blur_container.settings import Settings
from blur_container.transfer import MP4, Storage, s3_client
from blur_container.verify import verify_output
from blur_container.worker import Worker
from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.segments import SegmentTask

# Lambda starts a killed function anew where it was, with its files: they fill /tmp, and show faces.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    clear_leftovers(temporary_root())


def plan_segments(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the job in `event`, with its segments where several functions should render it."""
    job = Job.from_json(event)
    return PlanSegments(*_tools("plan-segments", job)).run(job).to_json()


def blur_faces(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Blur the faces of the job in `event` and return it with its output; or those of one segment of it."""
    task = SegmentTask.from_json(event)
    if task is None:
        job = Job.from_json(event)
        return BlurFaces(*_tools("blur-faces", job)).run(job).to_json()
    job = Job.from_json(task.job)
    BlurSegment(*_tools("blur-faces", job)).run(job, task.segment)
    return {"segment": task.segment}


def assemble_video(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Join the rendered segments of the job in `event`; return the job with its output and manifest."""
    job = Job.from_json(event)
    return AssembleVideo(*_tools("assemble-video", job)).run(job).to_json()


def _tools(function: str, job: Job) -> tuple[Storage, Settings, EventLog]:
    settings = Settings.from_env(os.environ)
    execution = job.execution.id if job.execution else None
    log = EventLog(function, execution=execution, code_version=settings.code_version)
    return Storage(s3_client()), settings, log


class BlurFaces(Worker):
    """The way of one video from bucket to bucket."""

    def run(self, job: Job) -> Job:
        """Blur the faces of `job`; nothing is uploaded before its verification has passed."""
        steps, delivery = Steps(), self.delivery(job)
        with self.log.handling(source=job.source.uri) as facts, self.folder() as folder:
            before = delivery.finished_before()
            facts["delivered_before"] = before is not None
            if before is not None:
                return before
            faces = self.faces(job)
            blurred = folder / "blurred.mp4"
            report = self._render(job, faces, blurred, steps)
            described = report_to_json(report, steps, self.settings)
            target = delivery.bucket.output
            with steps.timed("upload"):
                delivered = delivery.run(
                    described, partial(self.storage.upload_over, blurred, target, MP4, output_metadata(job))
                )
            facts.update({name: described[name] for name in ("detections", "tracks", "frames")})
            facts["steps"] = steps.to_json()
        return delivered

    def _render(self, job: Job, faces: FacesDocument, blurred: Path, steps: Steps) -> RenderReport:
        source = blurred.with_name("source")
        with steps.timed("download") as facts:
            facts["bytes"] = self.storage.download(job.source, source)
        with steps.timed("render") as facts:
            report = redact_video(source, blurred, faces, self.settings.render, ProgressLog(self.log))
            facts["bytes"] = blurred.stat().st_size
        # An hour of video fills the folder: the source goes as soon as it is not needed.
        source.unlink()
        with steps.timed("verify") as facts:
            verify_output(blurred, report)
            facts["bytes"] = blurred.stat().st_size
        return report
