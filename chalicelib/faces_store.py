"""Writes Rekognition's detections to the work bucket as the faces document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contract.errors import (
    ConfigurationError,
    InvalidDocument,
    PermanentError,
    RekognitionUnavailable,
    VideoTooLarge,
)
from chalicelib.contract.faces import MAX_DETECTIONS, Box, Detection, FacesDocument, VideoDescription
from chalicelib.contract.fields import count_field, finite, list_field, require_object, text_field
from chalicelib.contract.job import Job, faces_key
from chalicelib.contract.objects import ObjectReference
from chalicelib.rekognition import FaceDetectionJobs, complete_answer, started_job_id, without_rekognition
from chalicelib.storage import write_json


def store_faces(job: Job, jobs: FaceDetectionJobs, s3: Any, work_bucket: str) -> Job:
    """Write all detections of `job` to `work_bucket` and return the job with their reference.

    Where both detectors are wanted and Rekognition's faces cannot be read, the container's detects alone.
    """
    try:
        document = collect_faces(job, jobs)
    except ConfigurationError:
        raise
    except PermanentError as error:
        return without_rekognition(job, error)
    target = ObjectReference(work_bucket, faces_key(job.source))
    write_json(s3, target, document.to_json())
    return replace(job, faces=target)


def collect_faces(job: Job, jobs: FaceDetectionJobs) -> FacesDocument:
    """Return the detections of all pages as one document."""
    job_id = started_job_id(job)
    description: VideoDescription | None = None
    detections: list[Detection] = []
    for page in jobs.pages(job_id):
        with complete_answer(f"job {job_id}"):
            description = description or _describe(page)
            detections += (_detection(face) for face in list_field(page, "Faces"))
        if len(detections) > MAX_DETECTIONS:
            raise VideoTooLarge(f"Rekognition job {job_id} has over {MAX_DETECTIONS} detections.")
    if description is None:
        raise RekognitionUnavailable(f"Rekognition job {job_id} succeeded without a VideoMetadata.")
    return FacesDocument(job.source.identity, job_id, description, tuple(detections))


def _describe(page: dict[str, Any]) -> VideoDescription | None:
    if page.get("VideoMetadata") is None:
        return None  # Another page may have it.
    metadata = require_object(page["VideoMetadata"], "VideoMetadata")
    width, height = count_field(metadata, "FrameWidth"), count_field(metadata, "FrameHeight")
    if not width or not height:
        raise InvalidDocument(f"a frame must have pixels, not {width}x{height}")
    return VideoDescription(
        codec=text_field(metadata, "Codec"),
        duration_ms=count_field(metadata, "DurationMillis"),
        frame_rate=finite(metadata.get("FrameRate"), "FrameRate"),
        width=width,
        height=height,
    )


def _detection(entry: Any) -> Detection:
    fields = require_object(entry, "a face of Rekognition")
    face = require_object(fields.get("Face"), "Face")
    box = require_object(face.get("BoundingBox"), "BoundingBox")
    left, top, width, height = (finite(box.get(name), name) for name in ("Left", "Top", "Width", "Height"))
    return Detection(
        time_ms=count_field(fields, "Timestamp"),
        box=Box(left, top, width, height),
        confidence=finite(face.get("Confidence"), "Confidence"),
    )
