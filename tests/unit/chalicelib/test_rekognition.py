"""Rekognition's answers and errors, in the words of this project."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from chalicelib.contract.errors import (
    ConfigurationError,
    DetectionExpired,
    DetectionFailed,
    DetectionRefused,
    DetectionTimedOut,
    RekognitionLimited,
    RekognitionUnavailable,
    SourceNotVersioned,
)
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job
from chalicelib.contract.objects import SourceObject
from chalicelib.rekognition import (
    LONGEST_DETECTION_S,
    LONGEST_WAIT_S,
    FaceDetectionJobs,
    check_detection,
    next_wait_s,
)
from tests.checks.scripted_rekognition import ScriptedRekognition, make_error

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)


def make_job(waited_s: int = 0, wait_s: int = 1) -> Job:
    """Return a job whose detection is in progress."""
    return Job(SOURCE, DetectionProgress(DetectionStatus.IN_PROGRESS, "job1", wait_s, waited_s))


def test_job_is_started_for_the_version_that_was_uploaded() -> None:
    """The version analysed is the one that will be blurred; the token makes a second start the same job."""
    client = ScriptedRekognition({"JobId": "job1"}, {"JobId": "job1"})
    jobs = FaceDetectionJobs(client)

    job_ids = {jobs.start(SOURCE), jobs.start(SOURCE)}

    assert job_ids == {"job1"}
    assert client.requests[0]["Video"]["S3Object"] == {"Bucket": "input", "Name": "clip.mp4", "Version": "v1"}
    assert client.requests[0] == client.requests[1]


def test_no_job_is_started_without_a_version() -> None:
    """Rekognition takes no ETag: it would analyse whatever lies there by then."""
    client = ScriptedRekognition()

    with pytest.raises(SourceNotVersioned):
        FaceDetectionJobs(client).start(replace(SOURCE, version_id=None))

    assert client.requests == []


@pytest.mark.parametrize("answer", [{}, {"JobId": None}, {"JobId": 7}])
def test_start_without_a_job_is_tried_again(answer: dict[str, Any]) -> None:
    """The same token will find the same job."""
    with pytest.raises(RekognitionUnavailable, match="JobId"):
        FaceDetectionJobs(ScriptedRekognition(answer)).start(SOURCE)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (make_error("LimitExceededException"), RekognitionLimited),
        (make_error("ThrottlingException"), RekognitionLimited),
        (make_error("ProvisionedThroughputExceededException"), RekognitionLimited),
        (make_error("InternalServerError", 500), RekognitionUnavailable),
        (make_error("SomethingElse", 503), RekognitionUnavailable),
        (EndpointConnectionError(endpoint_url="https://example"), RekognitionUnavailable),
        (ReadTimeoutError(endpoint_url="https://example"), RekognitionUnavailable),
        (make_error("AccessDeniedException"), ConfigurationError),
        (make_error("InvalidS3ObjectException"), DetectionRefused),
        (make_error("VideoTooLargeException"), DetectionRefused),
        (make_error("IdempotentParameterMismatchException"), DetectionRefused),
    ],
)
def test_error_of_rekognition_gets_its_name(raised: Exception, expected: type[Exception]) -> None:
    """The state machine retries what may pass and gives up on what cannot."""
    jobs = FaceDetectionJobs(ScriptedRekognition(raised))

    with pytest.raises(expected, match=r"s3://input/clip\.mp4"):
        jobs.start(SOURCE)


def test_running_job_says_how_long_to_wait() -> None:
    """The waits so far are summed up and the next one follows from them."""
    jobs = FaceDetectionJobs(ScriptedRekognition({"JobStatus": "IN_PROGRESS"}))

    checked = check_detection(make_job(waited_s=30, wait_s=4), jobs, NOW)

    assert checked.detection == DetectionProgress(DetectionStatus.IN_PROGRESS, "job1", 4, 34)


def test_finished_job_ends_the_waiting() -> None:
    """SUCCEEDED is what the state machine's Choice looks for."""
    jobs = FaceDetectionJobs(ScriptedRekognition({"JobStatus": "SUCCEEDED"}))

    checked = check_detection(make_job(), jobs, NOW)

    assert checked.detection.status is DetectionStatus.SUCCEEDED


def test_failed_job_raises_with_the_reason_given() -> None:
    """Rekognition's own words reach the failure manifest."""
    answer = {"JobStatus": "FAILED", "StatusMessage": "Unsupported codec/format."}

    with pytest.raises(DetectionFailed, match=r"Unsupported codec/format\."):
        check_detection(make_job(), FaceDetectionJobs(ScriptedRekognition(answer)), NOW)


def test_job_that_never_ends_is_given_up() -> None:
    """The history of an execution is bounded, so is the waiting."""
    jobs = FaceDetectionJobs(ScriptedRekognition({"JobStatus": "IN_PROGRESS"}))

    with pytest.raises(DetectionTimedOut):
        check_detection(make_job(waited_s=LONGEST_DETECTION_S), jobs, NOW)


def test_job_without_an_id_is_refused_by_name() -> None:
    """A payload that skipped the start cannot be asked about."""
    job = Job(SOURCE, DetectionProgress(DetectionStatus.IN_PROGRESS))

    with pytest.raises(DetectionRefused):
        check_detection(job, FaceDetectionJobs(ScriptedRekognition()), NOW)


def test_an_execution_of_days_ends_by_itself() -> None:
    """Refused calls are no waits: after five days the failure is recorded, before the machine is ended."""
    days = Execution("arn", (NOW - timedelta(days=6)).isoformat().replace("+00:00", "Z"))
    jobs = FaceDetectionJobs(ScriptedRekognition({"JobStatus": "IN_PROGRESS"}))

    with pytest.raises(DetectionTimedOut):
        check_detection(replace(make_job(), execution=days), jobs, NOW)


def test_eight_hours_are_few_events() -> None:
    """The history of an execution holds 25,000; segments need some too."""
    waits = [1]
    while sum(waits) < LONGEST_DETECTION_S:
        waits.append(next_wait_s(sum(waits)))

    assert 9 * len(waits) < 5_500


@pytest.mark.parametrize(
    ("waited_s", "wait_s"), [(0, 1), (15, 1), (16, 2), (80, 10), (600, 15), (3600, LONGEST_WAIT_S)]
)
def test_waits_grow_with_the_time_waited(waited_s: int, wait_s: int) -> None:
    """A short video is not kept waiting, a long one does not fill the history."""
    assert next_wait_s(waited_s) == wait_s


@pytest.mark.parametrize(
    ("answer", "is_lost"),
    [
        ({"JobStatus": "IN_PROGRESS"}, False),
        ({"JobStatus": "SUCCEEDED"}, False),
        ({"JobStatus": "FAILED", "StatusMessage": "no"}, True),
        (make_error("ResourceNotFoundException"), True),
    ],
)
def test_job_is_lost_that_failed_or_is_not_kept(answer: Any, *, is_lost: bool) -> None:
    """Its token gives no other job."""
    assert FaceDetectionJobs(ScriptedRekognition(answer)).is_lost("job1") is is_lost


def test_results_that_are_not_kept_are_named_so() -> None:
    """Not a refusal of the video: `make redrive` helps."""
    gone = ScriptedRekognition(make_error("ResourceNotFoundException"))

    with pytest.raises(DetectionExpired, match="make redrive"):
        check_detection(make_job(), FaceDetectionJobs(gone), NOW)


def test_token_number_is_kept_while_waiting() -> None:
    """The redrive after next takes the token after this one."""
    jobs = FaceDetectionJobs(ScriptedRekognition({"JobStatus": "IN_PROGRESS"}))
    job = replace(make_job(), detection=replace(make_job().detection, token_number=3))

    assert check_detection(job, jobs, NOW).detection.token_number == 3
