"""The pages of a Rekognition job: all faces of all pages, read in as many invocations as it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.contract.errors import (
    InvalidDocument,
    RekognitionLimited,
    RekognitionUnavailable,
    StorageUnavailable,
)
from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job, PagesRead, pages_key
from chalicelib.contract.objects import SourceObject
from chalicelib.face_pages import HAND_OVERS_MAX, PAGES_MAX, FacePages
from chalicelib.faces_store import store_faces
from chalicelib.rekognition import LONGEST_EXECUTION_S, PAGE_SIZE, FaceDetectionJobs
from tests.checks.fake_clock import FakeClock
from tests.checks.scripted_rekognition import ScriptedRekognition, make_error
from tests.clouds.fake_s3 import FakeS3

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)
JOB = Job(SOURCE, DetectionProgress(DetectionStatus.SUCCEEDED, "job1"))
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
METADATA = {"Codec": "h264", "DurationMillis": 2000, "FrameRate": 30.0, "FrameWidth": 640, "FrameHeight": 360}
LIMITED = make_error("ProvisionedThroughputExceededException")
EXPIRED = make_error("InvalidPaginationTokenException")
BROKEN = make_error("InternalServerError", 500)


def collected(client: Any) -> FacesDocument:
    """Return the document of all pages, read in one invocation."""
    pages = FacePages(JOB, FakeS3(), "work")
    pages.read(FaceDetectionJobs(client), FakeClock().pace())
    return pages.document()


def make_page(number: int, *, last: bool = False) -> dict[str, Any]:
    """Return page `number` of a job, with one face at as many ms."""
    page = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [make_face(number, 0.25)]}
    return page if last else {**page, "NextToken": f"t{number + 1}"}


def stored(
    s3: FakeS3, client: Any, job: Job = JOB, clock: FakeClock | None = None, seconds: float = 900
) -> Job:
    """Return the answer of one invocation of get-rekognized-faces that has `seconds`."""
    pace = (clock or FakeClock()).pace(seconds)
    return store_faces(job, FaceDetectionJobs(client), s3, "work", pace, NOW)


def times(s3: FakeS3, job: Job) -> list[int]:
    """Return the times in ms of the faces document of `job`."""
    assert job.faces is not None
    document = FacesDocument.from_json(s3.get_object(Bucket="work", Key=job.faces.key)["Body"].read())
    return [detection.time_ms for detection in document.detections]


def make_face(time_ms: int, left: float) -> dict[str, Any]:
    """Return one element of Faces."""
    box = {"Left": left, "Top": 0.25, "Width": 0.5, "Height": 0.5}
    return {"Timestamp": time_ms, "Face": {"BoundingBox": box, "Confidence": 99.0}}


def test_video_without_faces_gives_an_empty_document() -> None:
    """No face is a result, not an error."""
    page = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": []}

    document = collected(ScriptedRekognition(page))

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

    document = collected(client)

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
        collected(client)
    document = collected(client)

    assert len(document.detections) == 1


def test_full_page_without_a_token_is_asked_for_twice() -> None:
    """Only the token says that more faces follow: lost once, it is found by the second question."""
    full = {**PAGE, "Faces": [FACE] * PAGE_SIZE}
    client = ScriptedRekognition(full, {**full, "NextToken": "t1"}, PAGE)

    document = collected(client)

    assert len(document.detections) == PAGE_SIZE + 1


@pytest.mark.parametrize("cycle", ["A", "AB", "ABC", "XYABCD"])
def test_tokens_that_come_again_are_refused(cycle: str) -> None:
    """As soon as one comes twice, however long the way around."""
    pages = [{**PAGE, "Faces": [], "NextToken": token} for token in cycle * 2]
    client = ScriptedRekognition(*pages)

    with pytest.raises(InvalidDocument, match="repeats the same page"):
        collected(client)

    assert len(client.requests) == len(cycle) + 1


def test_empty_pages_without_end_are_refused() -> None:
    """Each with a token of its own."""
    pages = ({**PAGE, "Faces": [], "NextToken": str(number)} for number in range(PAGES_MAX + 1))
    client = ScriptedRekognition(*pages)

    with pytest.raises(InvalidDocument, match=f"over {PAGES_MAX} pages"):
        collected(client)


def test_stale_answer_is_asked_for_again() -> None:
    """The job has succeeded; a server that does not know it yet gives no page."""
    first = {"JobStatus": "SUCCEEDED", "VideoMetadata": METADATA, "Faces": [], "NextToken": "t1"}

    with pytest.raises(RekognitionUnavailable):
        collected(ScriptedRekognition(first, {"JobStatus": "IN_PROGRESS"}))


def test_expired_page_token_begins_at_the_first_page() -> None:
    """In the same invocation: each face is there once."""
    client = ScriptedRekognition(make_page(0), EXPIRED, make_page(0), make_page(1, last=True))

    document = collected(client)

    assert [detection.time_ms for detection in document.detections] == [0, 1]
    assert [request.get("NextToken") for request in client.requests] == [None, "t1", None, "t1"]


def test_page_token_that_expires_again_is_an_outage() -> None:
    """The function does not turn in a circle."""
    with pytest.raises(RekognitionUnavailable):
        collected(ScriptedRekognition(make_page(0), EXPIRED, make_page(0), EXPIRED))


def test_refused_page_is_asked_for_again_more_slowly() -> None:
    """Nothing begins at page 1, and nobody is told."""
    s3, clock = FakeS3(), FakeClock()
    client = ScriptedRekognition(make_page(0), LIMITED, LIMITED, make_page(1, last=True))

    answer = stored(s3, client, clock=clock)

    assert times(s3, answer) == [0, 1]
    assert [request.get("NextToken") for request in client.requests] == [None, "t1", "t1", "t1"]
    assert clock.waits_s == [0.25, 0.5]


def test_pages_are_handed_over_when_the_time_is_over() -> None:
    """The next invocation goes on at the page that this one did not get."""
    s3 = FakeS3()
    client = ScriptedRekognition(make_page(0), make_page(1), *[LIMITED] * 100)

    handed = stored(s3, client)
    following = ScriptedRekognition(make_page(2), make_page(3, last=True))
    ended = stored(s3, following, Job.from_json(handed.to_json()))

    assert handed.faces is None
    assert handed.pages is not None
    assert (handed.pages.count, handed.pages.next_token, handed.pages.hand_overs) == (2, "t2", 1)
    assert [request.get("NextToken") for request in following.requests] == ["t2", "t3"]
    assert times(s3, ended) == [0, 1, 2, 3]
    assert ended.pages is None


def test_pages_are_handed_over_when_rekognition_fails() -> None:
    """An error in the middle costs no page that was read."""
    s3 = FakeS3()

    handed = stored(s3, ScriptedRekognition(make_page(0), BROKEN))
    ended = stored(s3, ScriptedRekognition(make_page(1, last=True)), handed)

    assert times(s3, ended) == [0, 1]


def test_first_page_that_fails_is_tried_again_by_the_machine() -> None:
    """Raised, it counts: an outage must not turn the machine in a circle."""
    with pytest.raises(RekognitionUnavailable):
        stored(FakeS3(), ScriptedRekognition(BROKEN))


def test_time_that_ends_without_a_page_is_told_as_a_limit() -> None:
    """The machine waits and tries again at the same page."""
    handed = replace(JOB, pages=PagesRead(1, ("part",), "t1", 1))
    client = ScriptedRekognition(*[LIMITED] * 100)

    with pytest.raises(RekognitionLimited):
        stored(FakeS3(), client, handed)

    assert {request["NextToken"] for request in client.requests} == {"t1"}


def test_time_of_the_function_is_left_for_storing() -> None:
    """Lambda ends it after 900 s: two minutes before that no page is asked for."""
    clock = FakeClock()

    stored(FakeS3(), ScriptedRekognition(make_page(0), *[LIMITED] * 100), clock=clock)

    assert clock.now_s - 1000 == pytest.approx(780)


def test_function_without_time_reads_a_page() -> None:
    """Each invocation gets on, however short it is."""
    handed = stored(FakeS3(), ScriptedRekognition(make_page(0)), seconds=0)

    assert handed.pages is not None
    assert handed.pages.count == 1


def test_two_invocations_at_once_do_not_mix_their_pages() -> None:
    """Pages may be shorter for one of them: each answer names what it has read itself."""
    s3 = FakeS3()
    short = {**make_page(0), "Faces": [], "NextToken": "s1"}

    first = stored(s3, ScriptedRekognition(make_page(0), BROKEN))
    stored(s3, ScriptedRekognition(short, BROKEN))
    ended = stored(s3, ScriptedRekognition(make_page(1, last=True)), first)

    assert times(s3, ended) == [0, 1]


def test_invocation_that_runs_twice_hands_over_the_same() -> None:
    """Its part of the pages has one name."""
    s3 = FakeS3()

    answers = [stored(s3, ScriptedRekognition(make_page(0), BROKEN)) for _ in range(2)]

    assert answers[0] == answers[1]


def test_part_that_was_changed_is_not_used() -> None:
    """Another text is not what was read: faces could be missing in it."""
    s3 = FakeS3()
    handed = stored(s3, ScriptedRekognition(make_page(0), BROKEN))
    assert handed.pages is not None
    s3.put_object(Bucket="work", Key=pages_key(SOURCE, handed.pages.parts[0]), Body=b"{}")

    with pytest.raises(StorageUnavailable):
        stored(s3, ScriptedRekognition(make_page(1, last=True)), handed)


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, pages=PagesRead(1, (), "t1", HAND_OVERS_MAX)),
        replace(
            JOB, execution=Execution("arn", (NOW - timedelta(seconds=LONGEST_EXECUTION_S + 1)).isoformat())
        ),
    ],
    ids=["forty times", "for days"],
)
def test_pages_are_not_handed_over_for_ever(job: Job) -> None:
    """Then the machine's own tries count, and it records the failure before it is ended."""
    with pytest.raises(RekognitionUnavailable):
        stored(FakeS3(), ScriptedRekognition(make_page(1), BROKEN), job)


def test_pages_of_all_invocations_count() -> None:
    """A job without end is refused, however often it is handed over."""
    handed = replace(JOB, pages=PagesRead(PAGES_MAX - 1, (), "t1", 1))

    with pytest.raises(InvalidDocument, match="pages"):
        stored(FakeS3(), ScriptedRekognition(make_page(1)), handed)
