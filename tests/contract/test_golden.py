"""The documents that travel between functions stay readable: golden files, written by an earlier version."""

import json
from pathlib import Path

import pytest

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Failure, Job
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import SourceObject

DATA = Path(__file__).parent.parent / "data"


def test_golden_job_is_read_and_written_back_unchanged() -> None:
    """A payload of this contract version survives a round trip, every field of it."""
    golden = json.loads((DATA / "job.json").read_text(encoding="utf-8"))

    written = Job.from_json(golden).to_json()

    assert written == golden


def test_golden_faces_document_is_read_and_written_back_byte_for_byte() -> None:
    """A faces document of this contract version survives a round trip."""
    golden = (DATA / "faces.json").read_text(encoding="utf-8")

    written = FacesDocument.from_json(golden).to_json()

    assert written == golden


def test_golden_failure_manifest_is_written_byte_for_byte() -> None:
    """The failure manifest names error, cause and source; the stack trace in Lambda's cause is left out."""
    source = SourceObject(
        "face-blur-local-input",
        "clip.mp4",
        None,
        "9b2cf535f27731c974343645a3985328",
        "0055AED6DCD90281E5",
        12,
    )
    job = Job(source, DetectionProgress(DetectionStatus.SUCCEEDED, "2c7ac50f0c1e4c9b"))
    message = "s3://face-blur-local-input/clip.mp4 cannot be opened: Invalid data found"
    cause = json.dumps({"errorMessage": message, "errorType": "NotAVideo", "stackTrace": ["a line"]})

    written = failure_manifest(job, Failure("NotAVideo", cause))

    assert written == (DATA / "failure_manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"version": 2},
        {"source": "s3://bucket/key"},
        {"detection": {"status": "DREAMING", "wait_s": 1, "waited_s": 0}},
        {"detection": {"status": "IN_PROGRESS", "wait_s": -1, "waited_s": 0}},
        {"detection": {"status": "IN_PROGRESS", "wait_s": True, "waited_s": 0}},
        {"faces": {"bucket": "face-blur-local-work"}},
        {"execution": "arn"},
    ],
)
def test_broken_job_is_refused_by_name(broken: object) -> None:
    """A job that breaks the contract raises InvalidDocument."""
    golden = json.loads((DATA / "job.json").read_text(encoding="utf-8"))
    payload = {**golden, **broken} if isinstance(broken, dict) and broken else broken

    with pytest.raises(InvalidDocument):
        Job.from_json(payload)


@pytest.mark.parametrize(
    ("old", "broken"),
    [
        ('"version":1', '"version":2'),
        ('"detections":[', '"detections":{}, "x":['),
        ("-0.16", "NaN"),
        ("-0.16", '"left"'),
        ("0.2,0.35", "-0.2,0.35"),
        ("[-0.16,0.25,0.2,0.35]", "[-0.16,0.25,0.2]"),
        ('"time_ms":467,"box":[0.9', '"time_ms":-1,"box":[0.9'),
        ('"confidence":50.25', '"confidence":null'),
        ("}]}", "}]"),
    ],
)
def test_broken_faces_document_is_refused_by_name(old: str, broken: str) -> None:
    """A document that could hide a face is refused as a whole."""
    golden = (DATA / "faces.json").read_text(encoding="utf-8")
    text = golden.replace(old, broken)

    with pytest.raises(InvalidDocument):
        FacesDocument.from_json(text)
