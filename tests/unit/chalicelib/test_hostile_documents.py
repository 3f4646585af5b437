"""Documents and events that nobody honest would write: each is read right, or refused by its name.

FUZZ_EXAMPLES=100000 makes a longer run of the generated ones.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contract.errors import FaceBlurError, InvalidDocument, VideoTooLarge
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Failure, Job, manifest_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import failure_manifest, readable_cause
from chalicelib.contract.objects import SourceObject
from chalicelib.face_pages import FacePages
from chalicelib.rekognition import FaceDetectionJobs
from chalicelib.uploads import read_record, read_records
from tests.checks.fake_clock import FakeClock

Read = TypeVar("Read")
DATA = Path(__file__).parent.parent.parent / "data"
FACES = (DATA / "faces.json").read_text(encoding="utf-8")
JOB = json.loads((DATA / "job.json").read_text(encoding="utf-8"))
RECORD: dict[str, Any] = {
    "eventName": "ObjectCreated:Put",
    "s3": {
        "bucket": {"name": "input"},
        "object": {"key": "clip.mp4", "size": 1, "eTag": "e", "sequencer": "1", "versionId": "v"},
    },
}
METADATA = {"Codec": "h264", "DurationMillis": 2000, "FrameRate": 30.0, "FrameWidth": 640, "FrameHeight": 360}
PAGE: dict[str, Any] = {
    "JobStatus": "SUCCEEDED",
    "VideoMetadata": METADATA,
    "Faces": [
        {
            "Timestamp": 0,
            "Face": {"BoundingBox": {"Left": 0, "Top": 0, "Width": 1, "Height": 1}, "Confidence": 99.0},
        }
    ],
}
SOURCE = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)
BRIDGE_EVENT = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "time": "2026-11-28T09:30:00Z",
    "detail": {
        "bucket": {"name": "input"},
        "object": {"key": "clip.mp4", "size": 1, "etag": "e", "version-id": "v1", "sequencer": "1"},
    },
}
IN_A_QUEUE = {"eventSource": "aws:sqs", "body": json.dumps(BRIDGE_EVENT)}
RUNNING = Job(SOURCE, DetectionProgress(DetectionStatus.SUCCEEDED, "job"))
fuzzed = settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")), deadline=None)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 10**400, -(10**400), float("nan"), float("inf"), 1e308])
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["\ud800", "../" * 300, "\x00", "%FF", "<script>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn, original: Any) -> Any:
    """Return `original` with one part of it, at any depth, replaced by any value of JSON, or left out."""
    if isinstance(original, dict) and original and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(original)))
        if draw(st.integers(0, 7)) == 0:
            return {other: value for other, value in original.items() if other != name}
        return {**original, name: draw(changed(original[name]))}
    if isinstance(original, list) and original and draw(st.integers(0, 5)):
        place = draw(st.integers(0, len(original) - 1))
        return [*original[:place], draw(changed(original[place])), *original[place + 1 :]]
    return draw(values)


def read_or_refused(read: Callable[[], Read]) -> list[Read]:
    """Return what `read` returns, or nothing where it refuses by name, in words that fit one line."""
    try:
        return [read()]
    except FaceBlurError as error:
        if not str(error).isprintable():
            raise AssertionError("an error that takes more than a line") from error
        return []


class OnePage:
    """A Rekognition client that gives the same page whenever it is asked."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def get_face_detection(self, **_: Any) -> Any:
        """Return the page."""
        return self._page


def collected(page: Any) -> FacesDocument:
    """Return the document of a job with this one page."""
    pages = FacePages(RUNNING, None, "work")
    pages.read(FaceDetectionJobs(OnePage(page)), FakeClock().pace())
    return pages.document()


@fuzzed
@given(changed(JOB))
def test_any_payload_is_a_job_or_refused_by_name(payload: Any) -> None:
    """What is accepted is written back as it came, and its keys can be sent to S3."""
    jobs = read_or_refused(lambda: Job.from_json(payload))

    assert [Job.from_json(json.loads(json.dumps(job.to_json()))) for job in jobs] == jobs
    assert all(manifest_key(job.source).encode() for job in jobs)


@fuzzed
@given(changed(json.loads(FACES)) | values)
def test_any_faces_document_is_read_or_refused_by_name(document: Any) -> None:
    """What is accepted survives being written: every number in it is finite."""
    read = read_or_refused(lambda: FacesDocument.from_json(json.dumps(document)))

    assert [FacesDocument.from_json(faces.to_json()) for faces in read] == read


@fuzzed
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_bytes_that_are_no_document_are_refused_by_name(content: str | bytes) -> None:
    """Whatever lies where the document should."""
    with pytest.raises(InvalidDocument):
        FacesDocument.from_json(content)


@fuzzed
@given(changed({"Records": [RECORD]}) | values)
def test_any_event_is_read_or_refused_by_name(event: Any) -> None:
    """An upload, a reason, or InvalidDocument."""
    read = read_or_refused(lambda: [read_record(record) for record in read_records(event)])

    assert all(one for records in read for one in records)


@fuzzed
@given(changed(BRIDGE_EVENT) | changed({"Records": [IN_A_QUEUE]}))
def test_any_event_of_another_road_is_read_or_refused_by_name(event: Any) -> None:
    """Through EventBridge, or a queue."""
    read = read_or_refused(lambda: [read_record(record) for record in read_records(event)])

    assert all(one for records in read for one in records)


@fuzzed
@given(changed(PAGE))
def test_any_answer_of_rekognition_is_read_or_refused_by_name(page: Any) -> None:
    """An answer that cannot be read must not become a document without its faces."""
    documents = read_or_refused(lambda: collected(page))

    assert all(document.to_json().encode() for document in documents)


@st.composite
def shortened(draw: st.DrawFn, original: Any) -> Any:
    """Return `original` without one of its fields, at any depth, or with null in its place."""
    if isinstance(original, list):
        place = draw(st.integers(0, len(original) - 1))
        kept = [draw(shortened(original[place]))] if isinstance(original[place], dict) else []
        return [*original[:place], *kept, *original[place + 1 :]]
    name = draw(st.sampled_from(sorted(original)))
    if isinstance(original[name], (dict, list)) and original[name] and draw(st.booleans()):
        return {**original, name: draw(shortened(original[name]))}
    absent = {other: value for other, value in original.items() if other != name}
    return absent if draw(st.booleans()) else {**absent, name: None}


@fuzzed
@given(shortened(PAGE))
def test_answer_that_lacks_a_field_has_all_its_faces_or_is_refused(page: Any) -> None:
    """Absent is not empty: fewer faces would be a face uncovered."""
    documents = read_or_refused(lambda: collected(page))

    assert all(len(document.detections) == len(PAGE["Faces"]) for document in documents)


@fuzzed
@given(shortened(json.loads(FACES)))
def test_faces_document_that_lacks_a_field_is_refused(document: Any) -> None:
    """Each of its fields is needed."""
    assert read_or_refused(lambda: FacesDocument.from_json(json.dumps(document))) == []


@pytest.mark.parametrize(
    ("old", "fresh"),
    [
        pytest.param("-0.16", "1" + "0" * 400, id="an integer over every float"),
        pytest.param("-0.16", "1" + "0" * 5000, id="an integer too long to write"),
        pytest.param("-0.16", "1e999", id="infinity"),
        pytest.param("-0.16", "1e308", id="far outside"),
        pytest.param("-0.16", "[" * 100_000 + "]" * 100_000, id="nested"),
        pytest.param('"time_ms":467', '"time_ms":9007199254740992', id="over 2^53"),
        pytest.param('"time_ms":467', '"time_ms":86400001', id="over a day"),
    ],
)
def test_faces_document_with_a_bomb_in_it_is_refused(old: str, fresh: str) -> None:
    """By its name, and in words that fit a log line."""
    with pytest.raises(InvalidDocument) as raised:
        FacesDocument.from_json(FACES.replace(old, fresh))

    assert len(str(raised.value)) < 400


def test_more_detections_than_any_video_has_are_refused() -> None:
    """A million detections fit the function's memory; the check comes before they are made."""
    document = {**json.loads(FACES), "detections": [None] * 1_000_001}

    with pytest.raises(InvalidDocument, match="over 1000000"):
        FacesDocument.from_json(json.dumps(document))


def test_more_faces_than_fit_a_document_are_refused_page_by_page() -> None:
    """Rekognition's answers are not collected without end."""
    page = {**PAGE, "Faces": PAGE["Faces"] * 1_000_001}

    with pytest.raises(VideoTooLarge):
        collected(page)


def test_page_that_leads_to_itself_is_refused() -> None:
    """A function must not turn in a circle until its time is up."""
    with pytest.raises(InvalidDocument, match="repeats the same page"):
        collected({**PAGE, "NextToken": "same"})


@pytest.mark.parametrize(
    "page", [{**PAGE, "JobStatus": "\x85\n"}, {**PAGE, "JobStatus": "FAILED", "StatusMessage": "\x1b[2J"}]
)
def test_words_of_rekognition_stay_on_one_line(page: dict[str, Any]) -> None:
    """They go into errors, and with them into logs and manifests."""
    assert read_or_refused(lambda: collected(page)) == []


HOSTILE = 'x"}\n{"level":"ERROR","a":"\x1b[2J\u2028\u202e\x9b\x00\ud800'


def test_key_cannot_forge_a_log_line() -> None:
    """One line, no terminal command, no mark that turns the reading order; the key is still all there."""
    stream = io.StringIO()

    EventLog("face-detection", stream).info("ignored", key=HOSTILE)

    line = stream.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert json.loads(line)["key"] == HOSTILE
    assert json.loads(line)["level"] == "INFO"


def test_key_cannot_forge_a_manifest() -> None:
    """Quotes and line ends in a key stay inside the key."""
    key = 'a","status":"SUCCEEDED"}\n<script>.mp4'
    job = Job(SourceObject("input", key, "v1", "e", "1", 1), DetectionProgress(DetectionStatus.NOT_STARTED))

    written = json.loads(failure_manifest(job, Failure("NotAVideo", "no video")))

    assert (written["source"]["key"], written["status"]) == (key, "FAILED")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400), st.text("ab./-", max_size=1100))
def test_no_two_uploads_share_an_object_of_the_output(one: str, other: str) -> None:
    """Outputs end in .mp4, manifests in .json: no key makes one of them another upload's."""
    first, second = (
        SourceObject("input", f"{key}.mp4", "v1", "e", "1", 1) for key in (one, other + ".manifest.json")
    )

    written = {first.key, second.key, manifest_key(first), manifest_key(second)}

    assert len(written) == 4


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        ('{"errorMessage": "cut \\"here\\" and', 'cut "here" and'),
        ('{"errorMessage": "no end\\u00', "no end"),
        ('{"errorType": "X", "stackTrace": ["/var/task/app.py", 1]}', "no message"),
        ('{"errorMessage": 7, "stackTrace": ["/var/task/app.py"]}', "no message"),
        ('{"a":' * 100_000, "no message"),
        ("[Errno 28] No space left: '/tmp/blur-faces-x1/blurred.mp4'", "No space left: 'blurred.mp4'"),
        ("s3://input/tmp/a.mp4 cannot be opened", "s3://input/tmp/a.mp4"),
        ("x" * 40_000, "xxx"),
    ],
)
def test_manifest_tells_the_cause_without_stack_or_path(cause: str, shown: str) -> None:
    """Step Functions cuts long causes in the middle of their JSON: the stack trace stays out all the same."""
    told = readable_cause(cause)

    assert shown in told
    assert "/var/task" not in told
    assert "/tmp/blur" not in told  # noqa: S108 the words under test
    assert len(told) <= 4000


def test_unreadable_cause_does_not_cost_the_record() -> None:
    """Half a character in a cause is replaced."""
    failure = Failure.from_json({"Error": "Lambda.Unknown", "Cause": "bad \ud800"})

    assert failure_manifest(RUNNING, failure).encode()


@pytest.mark.parametrize("key", ["a%FF.mp4", "%C0%AF.mp4", "%ED%A0%80.mp4", "\ud800.mp4"])
def test_key_that_is_no_text_is_refused(key: str) -> None:
    """Another object would be read in its place."""
    s3 = {**RECORD["s3"], "object": {**RECORD["s3"]["object"], "key": key}}

    with pytest.raises(InvalidDocument):
        read_record({**RECORD, "s3": s3})
