"""Admission: checks an upload against the stage's limits before Rekognition is paid for."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from chalicelib.contract.errors import (
    DamagedVideo,
    DetectionRefused,
    NotAVideo,
    NoVideoStream,
    PermanentError,
    RekognitionLimited,
    SourceNotVersioned,
    StorageUnavailable,
    UnsupportedVideo,
    UploadLimitExceeded,
    VideoTooLarge,
)
from chalicelib.contract.job import (
    WORK_PREFIX,
    DetectionMode,
    DetectionProgress,
    DetectionStatus,
    Job,
    execution_name,
)
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.movie_index import Movie, read_movie
from chalicelib.rekognition import FaceDetectionJobs, age_s, without_rekognition
from chalicelib.settings import UploadLimit, VideoLimits
from chalicelib.sources import SourceRanges
from chalicelib.storage import named_errors, write_json

LIMITS_PREFIX = f"{WORK_PREFIX}limits/"  # Below what the work bucket's lifecycle lets expire.
_HOUR_CHARACTERS = len("2026-11-28T09")
_SECONDS_IN_MINUTE = 60
# With both detectors wanted, a video waits so long for a free job of Rekognition.
_LONGEST_QUEUE_S = 24 * 3600


def require_within(limits: VideoLimits, movie: Movie, uri: str) -> None:
    """Raise VideoTooLarge where `movie`, which is at `uri`, exceeds a limit of the stage."""
    if movie.duration_s > limits.max_duration_s:
        raise VideoTooLarge(
            f"{uri} is {float(movie.duration_s):.0f} s long; the limit MAX_DURATION_S is"
            f" {limits.max_duration_s}: cut it, or raise the setting and `make redrive`."
        )
    pixels = movie.width * movie.height
    if pixels > limits.max_pixels:
        raise VideoTooLarge(
            f"{uri} has frames of {movie.width}x{movie.height}, {pixels} pixels; the limit MAX_PIXELS is"
            f" {limits.max_pixels}: scale it down, or raise the setting and `make redrive`."
        )


def require_room(limit: UploadLimit, source: SourceObject, uploaded_at: str, s3: Any) -> None:
    """Raise UploadLimitExceeded where the hour's limit of the key prefix was reached before `source`.

    Uploads are ordered by S3's own times, so a second delivery of an event gets the same result.
    """
    prefix = source.key.rpartition("/")[0]
    digest = hashlib.sha256(json.dumps([source.bucket, prefix]).encode()).hexdigest()[:32]
    folder = f"{LIMITS_PREFIX}{uploaded_at[:_HOUR_CHARACTERS]}/{digest}/"
    own = f"{folder}{uploaded_at}-{execution_name(source)}"
    write_json(s3, ObjectReference(limit.work_bucket, own), "{}")
    with named_errors(f"listing s3://{limit.work_bucket}/{folder}"):
        answer = s3.list_objects_v2(Bucket=limit.work_bucket, Prefix=folder, MaxKeys=limit.per_hour)
    if not answer.get("Contents"):
        # This upload's marker was written before: an empty list is wrong.
        raise StorageUnavailable(f"S3 lists no object in s3://{limit.work_bucket}/{folder}")
    if own not in [entry["Key"] for entry in answer["Contents"]]:
        raise UploadLimitExceeded(
            f"{source.uri} is over the limit of {limit.per_hour} uploads an hour with the prefix {prefix!r}:"
            " upload it again in the next hour, or `make redrive`; uploads_per_hour in deploy/stages.yaml is"
            " the limit."
        )


def start_detection(
    job: Job, jobs: FaceDetectionJobs, s3: Any, limits: VideoLimits, now: datetime, log: EventLog
) -> Job:
    """Start the Rekognition job of a video within the limits; return `job` with its id.

    Return `job` for the container's detector alone where the stage wants that, or both detectors and
    Rekognition takes no such video or had no free job for a day: plan-segments then judges a video without a
    readable index. `now` has a time zone.

    The same request token gives the same job. A redrive whose job is lost takes the next token, and only
    that: should this function run twice, both runs get the same job. Each start is logged with the minutes it
    costs. Rekognition does not charge a repeated token again, but a repeated start is logged again: the
    logged sum may be too high, never too low.
    """
    if not job.source.version_id:
        raise SourceNotVersioned(f"{job.source.uri} is pinned to no version: upload it again.")
    try:
        movie = measured(job.source, s3)
    except (NotAVideo, NoVideoStream, DamagedVideo, UnsupportedVideo) as error:
        return without_rekognition(job, error)
    require_within(limits, movie, job.source.uri)
    if job.detection.mode is DetectionMode.CONTAINER:
        return job.with_detection(job.detection.by_container_only())
    number = job.detection.token_number
    try:
        job_id = jobs.start(job.source, number)
        if job.detection.status is DetectionStatus.AGAIN and jobs.is_lost(job_id):
            number += 1
            job_id = jobs.start(job.source, number)
    except DetectionRefused as error:
        return without_rekognition(job, error)
    except RekognitionLimited as error:
        if job.detection.mode is DetectionMode.REKOGNITION or age_s(job, now) < _LONGEST_QUEUE_S:
            raise
        return job.with_detection(job.detection.by_container_only(error))
    minutes = round(float(movie.duration_s / _SECONDS_IN_MINUTE), 3)
    log.info("detection started", job_id=job_id, video_minutes=minutes)
    started = DetectionProgress(
        DetectionStatus.IN_PROGRESS, job_id, token_number=number, mode=job.detection.mode
    )
    return job.with_detection(started)


def measured(source: SourceObject, s3: Any) -> Movie:
    """Return the duration and frame size in the index of the video at `source`; errors name the object."""
    try:
        return read_movie(SourceRanges(source, s3).read, source.size_bytes)
    except PermanentError as error:
        if source.uri in str(error):
            raise
        raise type(error)(f"{source.uri}: {error}") from error
