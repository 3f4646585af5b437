"""The Lambda functions of the image: each takes a job as JSON, does its work, and returns the job."""

from __future__ import annotations

import os
from typing import Any

from blur_container.functions.assemble_video import join_segments
from blur_container.functions.base import FunctionContext
from blur_container.functions.blur_segment import blur_segment
from blur_container.functions.blur_video import blur_video
from blur_container.functions.plan_segments import plan_video
from blur_container.scratch import clear_leftovers, temporary_root
from blur_container.settings import Settings
from blur_container.storage.client import s3_client
from blur_container.storage.s3 import Storage
from chalicelib.contract.job import Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.segments import SegmentTask

# Lambda restarts a killed function in the same sandbox, with its files: they fill /tmp, and show faces.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    clear_leftovers(temporary_root())


def plan_segments(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return the job in `event`, with its segments where several functions should render it."""
    job = Job.from_json(event)
    return plan_video(_opened("plan-segments", job, context), job).to_json()


def blur_faces(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Blur the video of the job in `event` and return the job with its output, or blur one segment."""
    task = SegmentTask.from_json(event)
    if task is None:
        job = Job.from_json(event)
        return blur_video(_opened("blur-faces", job, context), job).to_json()
    job = Job.from_json(task.job)
    blur_segment(_opened("blur-faces", job, context), job, task.segment)
    return {"segment": task.segment}


def assemble_video(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Join the rendered segments of the job in `event`; return the job with its output and manifest."""
    job = Job.from_json(event)
    return join_segments(_opened("assemble-video", job, context), job).to_json()


def _opened(function: str, job: Job, context: object) -> FunctionContext:
    """Return the storage, settings and log of one invocation."""
    settings = Settings.from_env(os.environ)
    execution = job.execution.id if job.execution else None
    log = EventLog.of_invocation(function, context, execution=execution, code_version=settings.code_version)
    return FunctionContext(Storage(s3_client()), settings, log)
