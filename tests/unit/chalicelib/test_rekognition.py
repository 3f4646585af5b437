"""Rekognition's answers and errors, in the words of this project."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.contract.errors import (
    ConfigurationError,
    DetectionFailed,
    DetectionRefused,
    DetectionTimedOut,
    InvalidDocument,
    RekognitionLimited,
    RekognitionUnavailable,
    SourceNotVersioned,
)
from chalicelib.contract.faces import Box, Detection, VideoDescription
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job
from chalicelib.contract.objects import SourceObject
from chalicelib.faces_store import collect_faces
from chalicelib.rekognition import (
    LONGEST_DETECTION_S,
    LONGEST_WAIT_S,
    PAGE_SIZE,
    PAGES_MAX,
    FaceDetectionJobs,
    check_detection,
    next_wait_s,
)

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)
METADATA = {"Codec": "h264", "DurationMillis": 2000, "FrameRate": 30.0, "FrameWidth": 640, "FrameHeight": 360}


class ScriptedRekognition:
    """A Rekognition client that gives prepared answers, in order, and keeps the requests."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def start_face_detection(self, **request: Any) -> dict[str, Any]:
        """Answer StartFaceDetection."""
        return self._answer(request)

    def get_face_detection(self, **request: Any) -> dict[str, Any]:
        """Answer GetFaceDetection."""
        return self._answer(request)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)


def make_job(waited_s: int = 0, wait_s: int = 1) -> Job:
    """Return a job whose detection is in progress."""
    return Job(SOURCE, DetectionProgress(DetectionStatus.IN_PROGRESS, "job1", wait_s, waited_s))


def make_error(code: str, status: int = 400) -> ClientError:
    """Return an error as botocore raises it."""
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "StartFaceDetection")


def make_face(time_ms: int, left: float) -> dict[str, Any]:
    """Return one element of Faces."""
    box = {"Left": left, "Top": 0.25, "Width": 0.5, "Height": 0.5}
    return {"Timestamp": time_ms, "Face": {"BoundingBox": box, "Confidence": 99.0}}


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


def test_video_without_faces_gives_an_empty_document() -> None:
    """No face is a result, not an error."""
    page = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": []}

    document = collect_faces(make_job(), FaceDetectionJobs(ScriptedRekognition(page)))

    assert document.detections == ()
    assert document.video == VideoDescription("h264", 2000, 30.0, 640, 360)


def test_faces_of_all_pages_are_collected_in_order() -> None:
    """Paging goes on until no token is left; boxes outside the frame stay as they are."""
    pages: list[dict[str, Any]] = [
        {
            "JobStatus": "SUCCEEDED",
            "VideoMetadata": METADATA,
            "Faces": [make_face(467, -0.25)],
            "NextToken": "t1",
        },
        {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [], "NextToken": "t2"},
        {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [make_face(967, 0.75)]},
    ]
    client = ScriptedRekognition(*pages)

    document = collect_faces(make_job(), FaceDetectionJobs(client))

    assert document.detections == (
        Detection(467, Box(-0.25, 0.25, 0.5, 0.5), 99.0),
        Detection(967, Box(0.75, 0.25, 0.5, 0.5), 99.0),
    )
    assert [request.get("NextToken") for request in client.requests] == [None, "t1", "t2"]
    assert {request["MaxResults"] for request in client.requests} == {1000}


PAGE: dict[str, Any] = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [make_face(467, 0.25)]}
FACE = PAGE["Faces"][0]


def without(part: dict[str, Any], name: str) -> dict[str, Any]:
    """Return `part` without one of its fields."""
    return {other: value for other, value in part.items() if other != name}


HALF_ANSWERS = [
    *(pytest.param(without(PAGE, name), id=name) for name in PAGE),
    *(pytest.param({**PAGE, name: None}, id=f"{name} null") for name in PAGE),
    *(pytest.param({**PAGE, "VideoMetadata": without(METADATA, name)}, id=name) for name in METADATA),
    *(pytest.param({**PAGE, "Faces": [without(FACE, name)]}, id=name) for name in FACE),
    *(
        pytest.param({**PAGE, "Faces": [{**FACE, "Face": without(FACE["Face"], name)}]}, id=name)
        for name in FACE["Face"]
    ),
    pytest.param({**PAGE, "VideoMetadata": {**METADATA, "FrameWidth": 0}}, id="a frame without pixels"),
    pytest.param({**PAGE, "JobStatus": "PARTIAL_SUCCESS"}, id="a status that is none"),
    pytest.param(None, id="nothing"),
]


@pytest.mark.parametrize("half", HALF_ANSWERS)
def test_half_an_answer_is_asked_for_again(half: Any) -> None:
    """Absent is not empty: an answer without Faces says nothing of faces. Another try finds them."""
    client = ScriptedRekognition(half, PAGE)

    with pytest.raises(RekognitionUnavailable):
        collect_faces(make_job(), FaceDetectionJobs(client))
    document = collect_faces(make_job(), FaceDetectionJobs(client))

    assert len(document.detections) == 1


def test_full_page_without_a_token_is_asked_for_twice() -> None:
    """Only the token says that more faces follow: lost once, it is found by the second question."""
    full = {**PAGE, "Faces": [FACE] * PAGE_SIZE}
    client = ScriptedRekognition(full, {**full, "NextToken": "t1"}, PAGE)

    document = collect_faces(make_job(), FaceDetectionJobs(client))

    assert len(document.detections) == PAGE_SIZE + 1


@pytest.mark.parametrize("cycle", ["A", "AB", "ABC", "XYABCD"])
def test_tokens_that_come_again_are_refused(cycle: str) -> None:
    """As soon as one comes twice, however long the way around."""
    pages = [{**PAGE, "Faces": [], "NextToken": token} for token in cycle * 2]
    client = ScriptedRekognition(*pages)

    with pytest.raises(InvalidDocument, match="repeats the same page"):
        collect_faces(make_job(), FaceDetectionJobs(client))

    assert len(client.requests) == len(cycle) + 1


def test_empty_pages_without_end_are_refused() -> None:
    """Each with a token of its own."""
    pages = ({**PAGE, "Faces": [], "NextToken": str(number)} for number in range(PAGES_MAX + 1))
    client = ScriptedRekognition(*pages)

    with pytest.raises(InvalidDocument, match=f"over {PAGES_MAX} pages"):
        collect_faces(make_job(), FaceDetectionJobs(client))


@pytest.mark.parametrize(
    "answer",
    [{"JobStatus": "IN_PROGRESS"}, make_error("InvalidPaginationTokenException")],
    ids=["not final, on an older server", "a page whose token has expired"],
)
def test_pages_that_were_there_are_asked_for_again(answer: dict[str, Any] | Exception) -> None:
    """The job has succeeded; the next try begins at the first page."""
    first = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [], "NextToken": "t1"}

    with pytest.raises(RekognitionUnavailable):
        collect_faces(make_job(), FaceDetectionJobs(ScriptedRekognition(first, answer)))
