"""Writes Rekognition's detections to the work bucket as the faces document."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.contract.errors import (
    ConfigurationError,
    PermanentError,
    RekognitionLimited,
    RekognitionUnavailable,
)
from chalicelib.contract.job import Job, faces_key
from chalicelib.contract.objects import ObjectReference
from chalicelib.face_pages import FacePages
from chalicelib.pace import Pace
from chalicelib.rekognition import LONGEST_EXECUTION_S, FaceDetectionJobs, age_s, without_rekognition
from chalicelib.storage import write_json


def store_faces(
    job: Job, jobs: FaceDetectionJobs, s3: Any, work_bucket: str, pace: Pace, now: datetime
) -> Job:
    """Write all detections of `job` to `work_bucket` and return the job with their reference.

    Where pages are left when the time is over or Rekognition fails, write those that were read and return the
    job with them: the next invocation reads on. Where both detectors are wanted and the faces cannot
    be read, the container's detects alone. `now` has a time zone.
    """
    pages = FacePages(job, s3, work_bucket)
    try:
        pages.read(jobs, pace)
    except (RekognitionLimited, RekognitionUnavailable):
        # Raised, it counts as a try: the state machine has to record the failure before its own limit.
        if not pages.may_be_handed_over or age_s(job, now) > LONGEST_EXECUTION_S:
            raise
        return replace(job, pages=pages.hand_over())
    except ConfigurationError:
        raise
    except PermanentError as error:
        return replace(without_rekognition(job, error), pages=None)
    target = ObjectReference(work_bucket, faces_key(job.source))
    write_json(s3, target, pages.document().to_json())
    return replace(job, pages=None, faces=target)
