"""Call the container's functions on one upload, with S3 in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from blur_container.functions.assemble_video import join_segments
from blur_container.functions.base import FunctionContext
from blur_container.functions.blur_segment import blur_segment
from blur_container.functions.blur_video import blur_video
from blur_container.functions.plan_segments import plan_video
from blur_container.settings import Settings
from blur_container.storage.s3 import Storage
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job, faces_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.fake_s3 import FakeS3, etag_of


def stored_upload(content: bytes, faces: FacesDocument) -> tuple[FakeS3, Job]:
    """Return S3 with an upload of `content` and its faces document, and the job that plan-segments gets."""
    source = SourceObject("input", "clip.mp4", None, etag_of(content), "01", len(content))
    place = ObjectReference("work", faces_key(source))
    document = replace(faces, source_id=source.identity).to_json().encode()
    progress = DetectionProgress(DetectionStatus.SUCCEEDED, "job-1")
    job = Job(source, progress, Execution("arn", "2026-01-01T00:00:00Z"), faces=place)
    return FakeS3({("input", "clip.mp4"): content, (place.bucket, place.key): document}), job


@dataclass
class Container:
    """The container's functions with a client, settings and a scratch folder; they log to `printed`."""

    client: FakeS3
    settings: Settings
    scratch: Path
    printed: io.StringIO

    def plan_segments(self, job: Job) -> Job:
        """Run plan-segments; return its result."""
        return plan_video(self._context("plan-segments"), job)

    def blur_segment(self, job: Job, number: int) -> None:
        """Run blur-faces for one segment."""
        blur_segment(self._context("blur-faces"), job, number)

    def blur_video(self, job: Job) -> Job:
        """Run blur-faces for a whole video; return its result."""
        return blur_video(self._context("blur-faces"), job)

    def assemble_video(self, job: Job) -> Job:
        """Run assemble-video; return its result."""
        return join_segments(self._context("assemble-video"), job)

    def _context(self, function: str) -> FunctionContext:
        log = EventLog(function, self.printed)
        return FunctionContext(Storage(self.client), self.settings, log, self.scratch)
