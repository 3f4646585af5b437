"""Call the container's functions on one upload, with S3 in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from blur_container.functions.assemble_video import AssembleVideo
from blur_container.functions.blur_segment import BlurSegment
from blur_container.functions.blur_video import BlurFaces
from blur_container.functions.plan_segments import PlanSegments
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
        return PlanSegments(*self._tools("plan-segments")).run(job)

    def blur_segment(self, job: Job, number: int) -> None:
        """Run blur-faces for one segment."""
        BlurSegment(*self._tools("blur-faces")).run(job, number)

    def blur_video(self, job: Job) -> Job:
        """Run blur-faces for a whole video; return its result."""
        return BlurFaces(*self._tools("blur-faces")).run(job)

    def assemble_video(self, job: Job) -> Job:
        """Run assemble-video; return its result."""
        return AssembleVideo(*self._tools("assemble-video")).run(job)

    def _tools(self, function: str) -> tuple[Storage, Settings, EventLog, Path]:
        return Storage(self.client), self.settings, EventLog(function, self.printed), self.scratch
