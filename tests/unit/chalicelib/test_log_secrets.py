"""What errors say: without signatures, keys and frames, and no longer than a person reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from chalicelib.contract.errors import NotAVideo, StorageUnavailable
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Failure, Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import failure_manifest, readable_cause
from chalicelib.contract.objects import ObjectReference, SourceObject

ROOT = Path(__file__).parent.parent.parent.parent
CODE = sorted([ROOT / "app.py", *ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("blur_container/*.py")])
SIGNED = (
    "https://input.s3.us-east-1.amazonaws.com/clip.mp4?versionId=v1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261124&X-Amz-Signature=0123456789abcdef"
    "&X-Amz-Security-Token=FwoGZXIvYXdzE"
)
SECRETS = ("AKIA", "Signature", "Credential", "Token", "0123456789abcdef", "hunter2")
PLACE = "https://input.s3.us-east-1.amazonaws.com/clip.mp4"
LONGEST_LINE = 16_384
SOURCE = SourceObject("input", "clip.mp4", "v1", "etag", "1", 10)


def logged(error: Exception) -> str:
    """Return the line that tells how a function failed."""
    stream = io.StringIO()
    with pytest.raises(type(error)), EventLog("blur-faces", stream).handling(source="s3://input/clip.mp4"):
        raise error
    return stream.getvalue().splitlines()[-1]


def failed(key: str, cause: str) -> str:
    """Return the failure manifest of a job that had come far."""
    execution = Execution("arn:aws:states:us-east-1:123456789012:execution:face-blur-dev:clip", "2026-11-24")
    job = Job(
        SourceObject("input", key, "v1", "e" * 32, "1" * 32, 2**53 - 1),
        DetectionProgress(DetectionStatus.SUCCEEDED, "j" * 64),
        execution,
        faces=ObjectReference("work", "executions/clip/faces.json"),
        failure=Failure("Lambda.Unknown", cause),
    )
    return failure_manifest(job, Failure("Lambda.Unknown", cause))


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailable(f"s3://input/clip.mp4: {EndpointConnectionError(endpoint_url=SIGNED)}"),
        ReadTimeoutError(endpoint_url=SIGNED),
        ConnectionError("Cannot reach https://proxy-user:hunter2@proxy.example:3128/?X-Amz-Signature=0"),
        ValueError(f"two at once: {SIGNED}, and '{SIGNED}'"),
    ],
    ids=["no connection", "no answer", "a proxy with its password", "two"],
)
def test_an_error_is_logged_without_what_signs_its_address(error: Exception) -> None:
    """boto3 puts the whole address of a request into the errors of its connections."""
    line = logged(error)

    assert [secret for secret in SECRETS if secret in line] == []
    assert "https://" in line
    assert "?..." in line


def test_a_manifest_tells_the_address_without_what_signs_it() -> None:
    """Host and path say which bucket did not answer."""
    told = readable_cause(json.dumps({"errorMessage": f'Could not connect to "{SIGNED}"'}))

    assert told == f'Could not connect to "{PLACE}?..."'


def test_an_error_with_a_strangers_key_fits_one_line() -> None:
    """Lambda logs the words of an error as they are, and Step Functions keeps them, without an EventLog."""
    key = 'x\n{"level":"ERROR","message":"paid"}\r\x1b[2J\u202e\u2028.mp4'

    words = str(NotAVideo(f"s3://input/{key} cannot be opened, nor {SIGNED}"))

    assert words.isprintable()
    assert words.startswith('s3://input/x\\n{"level"')
    assert [secret for secret in SECRETS if secret in words] == []


@pytest.mark.parametrize("words", ["s3://input/what?.mp4 is damaged", f"{PLACE} is gone", "why? how?", ""])
def test_other_words_of_an_error_stay(words: str) -> None:
    """Keys may hold question marks."""
    assert json.loads(logged(ValueError(words)))["cause"] == words
    assert readable_cause(words) == words


def test_a_public_failure_names_no_account_and_no_bucket() -> None:
    """S3 and IAM put both into the errors of calls they refuse; the key stays."""
    role = "arn:aws:sts::123456789012:assumed-role/face-blur-dev/blur"
    cause = f"s3://input/clip.mp4: User: {role} may not read arn:aws:s3:::input/clip.mp4"

    told = json.loads(failed("clip.mp4", cause))["cause"]

    assert told == "clip.mp4: User: arn:... may not read arn:..."


@pytest.mark.parametrize("one", ["A", "\x00", "😀", '"', "/9j/4AAQSkZJRgABAQ"], ids=ascii)
def test_a_long_error_is_cut(one: str) -> None:
    """Libraries put arguments into errors; one might be a frame."""
    line = logged(ValueError(one * 100_000))

    assert len(line) < LONGEST_LINE
    assert json.loads(line)["error"] == "ValueError"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_sign_no_address_and_print_no_trace_of_requests(path: Path) -> None:
    """What is never made is never logged; and boto3's own log holds the headers of every request."""
    text = path.read_text(encoding="utf-8")

    assert [word for word in ("presign", "set_stream_logger", "import logging") if word in text] == []


def test_the_failure_manifest_has_the_fields_of_the_contract_only() -> None:
    """However far the job had come: no faces, no frame, no folder."""
    manifest = json.loads(failed("clip.mp4", "no answer"))

    assert list(manifest) == [
        *("version", "source", "execution"),
        *("status", "error", "cause"),
    ]
    assert list(manifest["source"]) == ["key", "version_id", "etag", "sequencer", "size_bytes"]
    assert list(manifest["execution"]) == ["name", "started_at"]


@pytest.mark.parametrize("one", ["A", "\x00", "😀", '"', "\\", "/9j/4AAQSkZJRgABAQ"], ids=ascii)
@pytest.mark.parametrize(
    ("key", "most"), [("k" * 1024, 8192), ("ä" * 512, 8192), ("\x07" * 1024, 12_288)], ids=ascii
)
def test_the_failure_manifest_is_small(key: str, most: int, one: str) -> None:
    """The longest key, and a cause without end; control characters take six bytes each in JSON."""
    manifest = failed(key, one * 300_000)

    assert len(manifest.encode()) < most
    assert json.loads(manifest)["source"]["key"] == key
    assert json.loads(manifest)["cause"].startswith(one)


@pytest.mark.parametrize(
    "cause", ["a\\", "\\u12", '\\"', "x" * 3999 + "\\", "x" * 3998 + "\x01", "x" * 3997 + "\x01"]
)
def test_a_cause_is_cut_between_characters(cause: str) -> None:
    """What JSON writes as two or six bytes stays or goes as one."""
    assert (cause + "y" * 9).startswith(readable_cause(cause + "y" * 9))
    assert len(readable_cause(cause + "y" * 9)) >= min(len(cause) - 1, 3990)
