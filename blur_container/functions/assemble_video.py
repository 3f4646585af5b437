"""The function assemble-video: joins the rendered segments of a job and delivers the verified video."""

from __future__ import annotations

import uuid
from functools import partial

from blur_container.functions.base import FunctionContext
from blur_container.rendering.progress import ProgressLog, Steps, seconds_of
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
from chalicelib.contract.job import Job
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.segments import SegmentKeys, Segments

# All files are read from front to back: few large requests, and room for packets that are interleaved.
_AHEAD_BYTES = 16 * 1024**2
_CACHE_BYTES = 8 * _AHEAD_BYTES
# The boxes before and after moov that are written again at the end: ftyp, and the length of mdat.
_MDAT_HEAD_BYTES = 4096


def join_segments(context: FunctionContext, job: Job) -> Job:
    """Return `job` with its output, which appears after the joined video has passed its verification.

    Segments are read from S3 and the joined video is written to S3: the disk holds only a block cache.
    """
    if job.segments is None:
        raise InvalidDocument("the job has no segments")
    steps, delivery = Steps(), context.delivery(job)
    with (
        context.log.handling(source=job.source.uri) as facts,
        context.folder() as folder,
        BlockCache(folder, _CACHE_BYTES) as cache,
    ):
        before = delivery.finished_before()
        facts["delivered_before"] = before is not None
        if before is not None:
            return before
        opened = partial(context.storage.opened, cache=cache, ahead_bytes=_AHEAD_BYTES)
        source = opened(job.source)
        faces = context.faces(job, source)
        plan, records = _documents(context, job, job.segments)
        parts = [RenderedSegment(opened(record.video), record) for record in records]
        concatenation = Concatenation(source, parts, faces, context.settings.render)
        keys = SegmentKeys.beside(job.segments.plan)
        joined = ObjectReference(context.settings.work_bucket, keys.joined(uuid.uuid4().hex))
        report = _join(context, concatenation, joined, steps)
        if report.frames_decoded != plan.frames:
            raise OutputMismatch(
                f"the segments contain {report.frames_decoded} frames of the {plan.frames} in the index"
            )
        with steps.timed("verify") as verified:
            written = opened(joined)
            verify_output(written, report)
            verified["bytes"] = written.size_bytes
        seconds = steps.seconds + sum(seconds_of(record.steps) for record in records)
        described = {
            **report_to_json(report, steps, context.settings),
            "cost_estimate_usd": context.cost(job, seconds, report.file.duration_ms),
        }
        copy = partial(context.storage.copy_over, joined, delivery.bucket.output, MP4, output_metadata(job))
        with steps.timed("deliver"):
            delivered = delivery.run({**described, "segments": [record.steps for record in records]}, copy)
        facts.update(frames=len(report.pts), segments=len(parts), steps=steps.to_json())
    return delivered


def _documents(context: FunctionContext, job: Job, segments: Segments) -> tuple[Plan, list[SegmentRecord]]:
    """Read the documents of a job; raise InvalidDocument or RendererChanged where they do not match."""
    storage, renderer = context.storage, context.renderer
    plan = Plan.from_json(storage.read_text(segments.plan))
    if plan.source_id != job.source.identity or len(plan.spans) != len(segments.numbers):
        raise InvalidDocument("the plan belongs to another upload")
    renderer.require(plan.renderer, "the plan")
    keys = SegmentKeys.beside(segments.plan)
    places = (ObjectReference(segments.plan.bucket, keys.report(number)) for number in segments.numbers)
    records = [SegmentRecord.from_json(storage.read_text(place)) for place in places]
    for number, record in enumerate(records):
        renderer.require(record.renderer, f"segment {number}")
    return plan, records


def _join(
    context: FunctionContext, concatenation: Concatenation, joined: ObjectReference, steps: Steps
) -> RenderReport:
    with steps.timed("assemble") as facts:
        moov_bytes = concatenation.moov_bytes()
        with context.storage.writer(joined, MP4, {}, moov_bytes + _MDAT_HEAD_BYTES) as writer:
            report = concatenation.write(partial(open_streamed, writer, moov_bytes), ProgressLog(context.log))
            facts["bytes"] = writer.complete()
    return report
