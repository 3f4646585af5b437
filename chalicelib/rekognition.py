"""Rekognition Video: starts the face-detection job of an upload, reads its status and its faces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import (
    ConfigurationError,
    DetectionExpired,
    DetectionFailed,
    DetectionRefused,
    DetectionTimedOut,
    InvalidDocument,
    PermanentError,
    RekognitionLimited,
    RekognitionUnavailable,
    SourceNotVersioned,
)
from chalicelib.contract.fields import (
    list_field,
    optional_text_field,
    require_object,
    shown,
    text_field,
)
from chalicelib.contract.job import (
    DetectionMode,
    DetectionStatus,
    Job,
    client_request_token,
)
from chalicelib.contract.log import printable
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.service_errors import error_code, is_transient

PAGE_SIZE = 1000  # The most that GetFaceDetection returns at once.
_STATUSES = ("IN_PROGRESS", "SUCCEEDED", "FAILED")
LONGEST_WAIT_S = 60
_CALM_WAIT_S = 15
LONGEST_EXECUTION_S = 5 * 24 * 3600
LONGEST_DETECTION_S = 8 * 3600  # Rekognition takes videos of up to 6 h, and about their length to analyse.
_LIMITED = {"LimitExceededException", "ThrottlingException", "ProvisionedThroughputExceededException"}
# An expired page token is temporary: reading starts again at the first page.
_EXPIRED_PAGE = "InvalidPaginationTokenException"
_GONE = "ResourceNotFoundException"
_FORBIDDEN = {"AccessDeniedException", "UnrecognizedClientException"}


@dataclass(frozen=True)
class Page:
    """An answer with a list Faces, sorted by time, and the token of the next page."""

    answer: dict[str, Any]
    next_token: str | None


class FaceDetectionJobs:
    """The face-detection jobs of one account; errors are those of contract/errors.py."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, source: SourceObject, token_number: int = 0) -> str:
        """Start the job for `source` and return its id; repeated calls with one token return the same id."""
        if not source.version_id:
            # Rekognition takes no ETag: it would analyse whatever is at the key by then.
            raise SourceNotVersioned(f"{source.uri} is pinned to no version.")
        place = {"Bucket": source.bucket, "Name": source.key, "Version": source.version_id}
        with _named_errors(source.uri):
            answer = self._client.start_face_detection(
                Video={"S3Object": place},
                ClientRequestToken=client_request_token(source, token_number),
            )
        with complete_answer(source.uri):
            return text_field(require_object(answer, "an answer"), "JobId")

    def is_lost(self, job_id: str) -> bool:
        """Return whether the job has failed, or its results are gone."""
        try:
            self.ask(job_id)
        except (DetectionFailed, DetectionExpired):
            return True
        return False

    def ask(self, job_id: str) -> dict[str, Any]:
        """Return the job's status answer, with one face at most; raise DetectionFailed if it failed."""
        return self._page(job_id, {"MaxResults": 1})

    def page(self, job_id: str, token: str | None) -> Page:
        """Return the page of the job's faces that `token` names, the first one without a token."""
        request = {"MaxResults": PAGE_SIZE, **({"NextToken": token} if token else {})}
        page = self._page_with_faces(job_id, request)
        if not page.next_token and len(page.answer["Faces"]) >= PAGE_SIZE:
            # Only the token shows that more follows: a full page without one is requested twice.
            page = self._page_with_faces(job_id, request)
        return page

    def _page_with_faces(self, job_id: str, request: dict[str, Any]) -> Page:
        answer = self._page(job_id, request)
        if answer["JobStatus"] != "SUCCEEDED":
            # The job had succeeded before: this answer is older.
            raise RekognitionUnavailable(f"Rekognition job {job_id} is {answer['JobStatus']} again.")
        with complete_answer(f"job {job_id}"):
            list_field(answer, "Faces")
            return Page(answer, optional_text_field(answer, "NextToken"))

    def _page(self, job_id: str, request: dict[str, Any]) -> dict[str, Any]:
        with _named_errors(f"job {job_id}"):
            found = self._client.get_face_detection(JobId=job_id, **request)
        with complete_answer(f"job {job_id}"):
            answer = require_object(found, "an answer")
            status = text_field(answer, "JobStatus")
            if status not in _STATUSES:
                raise InvalidDocument(f"JobStatus must be one of {', '.join(_STATUSES)}, not {shown(status)}")
        if status == "FAILED":
            raise DetectionFailed(
                printable(
                    f"Rekognition job {job_id} failed: {answer.get('StatusMessage', 'no reason given')}"
                )
            )
        return answer


@contextmanager
def complete_answer(subject: str) -> Iterator[None]:
    """Raise InvalidDocument as RekognitionUnavailable, so that the call is retried.

    A missing field is not an empty one: once it is a glitch, in every try it fails the execution.
    """
    try:
        yield
    except InvalidDocument as error:
        raise RekognitionUnavailable(
            f"Rekognition on {subject} gave an incomplete answer: {error}"
        ) from error


def is_expired_page(error: RekognitionUnavailable) -> bool:
    """Return whether Rekognition refused the token of a page: then only the first page can be asked for."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and error_code(cause) == _EXPIRED_PAGE


def check_detection(job: Job, jobs: FaceDetectionJobs, now: datetime) -> Job:
    """Return `job` with the status of its Rekognition job and the next wait; `now` has a time zone.

    Where both detectors are wanted and Rekognition's job failed or takes too long, the container's detects
    alone. Otherwise raise DetectionFailed, or DetectionTimedOut after the longest wait, or where the
    execution is days old: refused calls do not count as waits, and the state machine has to record the
    failure before its own limit.
    """
    try:
        return _checked(job, jobs, now)
    except (DetectionFailed, DetectionRefused, DetectionTimedOut) as error:
        return without_rekognition(job, error)


def _checked(job: Job, jobs: FaceDetectionJobs, now: datetime) -> Job:
    job_id = started_job_id(job)
    waited_s = job.detection.waited_s + job.detection.wait_s
    if jobs.ask(job_id)["JobStatus"] == "SUCCEEDED":
        status, wait_s = DetectionStatus.SUCCEEDED, 0
    elif waited_s > LONGEST_DETECTION_S or age_s(job, now) > LONGEST_EXECUTION_S:
        raise DetectionTimedOut(f"Rekognition job {job_id} is still in progress after {waited_s} s.")
    else:
        status, wait_s = DetectionStatus.IN_PROGRESS, next_wait_s(waited_s)
    return job.with_detection(
        replace(job.detection, status=status, job_id=job_id, wait_s=wait_s, waited_s=waited_s)
    )


def without_rekognition(job: Job, error: PermanentError) -> Job:
    """Return `job` for the container's detector; raise `error` where the stage wants Rekognition only."""
    if job.detection.mode is DetectionMode.REKOGNITION:
        raise error
    return job.with_detection(job.detection.by_container_only(error))


def age_s(job: Job, now: datetime) -> float:
    """Return the age of the job's execution at `now`, in seconds; 0 before it has begun."""
    if job.execution is None:
        return 0.0
    try:
        started = datetime.fromisoformat(job.execution.started_at.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidDocument(f"started_at is no time: {job.execution.started_at[:40]!r}") from error
    return (now - started).total_seconds() if started.tzinfo else 0.0


def next_wait_s(waited_s: int) -> int:
    """Return the next wait in s: an eighth of the time waited so far up to 15 s, then a fortieth up to 60 s.

    Eight hours take 560 loops of the state machine with nine events each; its limit is 25,000 events.
    """
    return max(1, min(_CALM_WAIT_S, waited_s // 8), min(LONGEST_WAIT_S, waited_s // 40))


def started_job_id(job: Job) -> str:
    """Return the id of the job's Rekognition job; raise DetectionRefused where none was started."""
    if not job.detection.job_id:
        raise DetectionRefused(f"No Rekognition job was started for {job.source.uri}.")
    return job.detection.job_id


@contextmanager
def _named_errors(subject: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code, fact = error_code(error), f"Rekognition on {subject}: {error}"
        if code in _LIMITED:
            raise RekognitionLimited(fact) from error
        if code == _GONE:
            raise DetectionExpired(
                f"{fact}. Rekognition keeps results for seven days: `make redrive` has it analysed again."
            ) from error
        if code == _EXPIRED_PAGE or is_transient(error):
            raise RekognitionUnavailable(fact) from error
        if code in _FORBIDDEN:
            raise ConfigurationError(f"{fact}. The function's role must allow this call.") from error
        raise DetectionRefused(fact) from error
