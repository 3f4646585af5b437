"""The function blur-faces for a whole video: download, render, verify, deliver."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from blur_container.functions.base import FunctionContext
from blur_container.rendering.progress import ProgressLog, Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.rendering.whole_video import redact_video
from blur_container.storage.s3 import MP4
from blur_container.writing.verification import verify_output
from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.job import Job


def blur_video(context: FunctionContext, job: Job) -> Job:
    """Blur the faces of `job` and return it with its output; upload nothing before verification passes."""
    steps, delivery = Steps(), context.delivery(job)
    with context.log.handling(source=job.source.uri) as facts, context.folder() as folder:
        before = delivery.finished_before()
        facts["delivered_before"] = before is not None
        if before is not None:
            return before
        blurred = folder / "blurred.mp4"
        report = _render(context, job, blurred, steps)
        described = {
            **report_to_json(report, steps, context.settings),
            "cost_estimate_usd": context.cost(job, steps.seconds, report.file.duration_ms),
        }
        target = delivery.bucket.output
        with steps.timed("upload"):
            delivered = delivery.run(
                described, partial(context.storage.upload_over, blurred, target, MP4, output_metadata(job))
            )
        facts.update({name: described[name] for name in ("detections", "tracks", "frames")})
        facts["steps"] = steps.to_json()
    return delivered


def _render(context: FunctionContext, job: Job, blurred: Path, steps: Steps) -> RenderReport:
    """Download the source, write `blurred` and verify it."""
    source = blurred.with_name("source")
    with steps.timed("download") as facts:
        facts["bytes"] = context.storage.download(job.source, source)
    faces = context.faces(job, source)
    with steps.timed("render") as facts:
        report = redact_video(source, blurred, faces, context.settings.render, ProgressLog(context.log))
        facts["bytes"] = blurred.stat().st_size
    # An hour of video fills the folder: delete the source as soon as it is not needed.
    source.unlink()
    with steps.timed("verify") as facts:
        verify_output(blurred, report)
        facts["bytes"] = blurred.stat().st_size
    return report
