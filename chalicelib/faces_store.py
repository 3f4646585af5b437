"""From Rekognition's pages to the faces document in the work bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription
from chalicelib.contract.job import Job, faces_key
from chalicelib.contract.objects import ObjectReference
from chalicelib.rekognition import FaceDetectionJobs, started_job_id
from chalicelib.storage import write_json


def store_faces(job: Job, jobs: FaceDetectionJobs, s3: Any, work_bucket: str) -> Job:
    """Write all detections of `job` to `work_bucket` and return the job with their reference."""
    document = collect_faces(job, jobs)
    target = ObjectReference(work_bucket, faces_key(job.source))
    write_json(s3, target, document.to_json())
    return replace(job, faces=target)


def collect_faces(job: Job, jobs: FaceDetectionJobs) -> FacesDocument:
    """Return the detections of all pages as one document."""
    job_id = started_job_id(job)
    description: VideoDescription | None = None
    detections: list[Detection] = []
    for page in jobs.pages(job_id):
        if page["JobStatus"] != "SUCCEEDED":
            raise InvalidDocument(
                f"Rekognition job {job_id} is {page['JobStatus']}, its faces are not final."
            )
        description = description or _describe(page)
        detections += (_detection(face) for face in page.get("Faces", []))
    if description is None:
        raise InvalidDocument(f"Rekognition job {job_id} succeeded without a VideoMetadata.")
    return FacesDocument(job.source.identity, job_id, description, tuple(detections))


def _describe(page: dict[str, Any]) -> VideoDescription | None:
    metadata = page.get("VideoMetadata")
    if not metadata:
        return None
    return VideoDescription(
        codec=str(metadata.get("Codec", "")),
        duration_ms=int(metadata.get("DurationMillis", 0)),
        frame_rate=float(metadata.get("FrameRate", 0)),
        width=int(metadata["FrameWidth"]),
        height=int(metadata["FrameHeight"]),
    )


def _detection(face: dict[str, Any]) -> Detection:
    box = face["Face"]["BoundingBox"]
    return Detection(
        time_ms=int(face["Timestamp"]),
        box=Box(left=box["Left"], top=box["Top"], width=box["Width"], height=box["Height"]),
        confidence=float(face["Face"]["Confidence"]),
    )
