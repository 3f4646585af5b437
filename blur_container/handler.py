"""The Lambda functions of the image: a job comes in, the work is done, the job goes on."""

from __future__ import annotations

import os
from typing import Any

from blur_container.functions.assemble_video import AssembleVideo
from blur_container.functions.blur_segment import BlurSegment
from blur_container.functions.blur_video import BlurFaces
from blur_container.functions.plan_segments import PlanSegments
from blur_container.scratch import clear_leftovers, temporary_root
from blur_container.settings import Settings
from blur_container.storage.s3 import Storage, s3_client
from chalicelib.contract.job import Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.segments import SegmentTask

# Lambda starts a killed function anew where it was, with its files: they fill /tmp, and show faces.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    clear_leftovers(temporary_root())


def plan_segments(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return the job in `event`, with its segments where several functions should render it."""
    job = Job.from_json(event)
    return PlanSegments(*_tools("plan-segments", job, context)).run(job).to_json()


def blur_faces(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Blur the faces of the job in `event` and return it with its output; or those of one segment of it."""
    task = SegmentTask.from_json(event)
    if task is None:
        job = Job.from_json(event)
        return BlurFaces(*_tools("blur-faces", job, context)).run(job).to_json()
    job = Job.from_json(task.job)
    BlurSegment(*_tools("blur-faces", job, context)).run(job, task.segment)
    return {"segment": task.segment}


def assemble_video(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Join the rendered segments of the job in `event`; return the job with its output and manifest."""
    job = Job.from_json(event)
    return AssembleVideo(*_tools("assemble-video", job, context)).run(job).to_json()


def _tools(function: str, job: Job, context: object) -> tuple[Storage, Settings, EventLog]:
    settings = Settings.from_env(os.environ)
    execution = job.execution.id if job.execution else None
    log = EventLog.of_invocation(function, context, execution=execution, code_version=settings.code_version)
    return Storage(s3_client()), settings, log
