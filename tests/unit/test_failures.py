"""The failure manifest: written once it is sure that this execution has delivered nothing."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.errors import ConfigurationError, StorageUnavailable
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Failure, Job, manifest_key
from chalicelib.contract.manifest import success_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.failures import record_failure

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag", "1", 10)
JOB = Job(
    SOURCE,
    DetectionProgress(DetectionStatus.SUCCEEDED, "job-1"),
    Execution("arn:one", "2026-11-24T12:00:00Z"),
    failure=Failure("Lambda.ServiceException", "no answer"),
)
OUTPUT = ObjectReference("output", "clip.mp4")


@dataclass
class Bucket:
    """The output bucket; `refusal` is how S3 answers to a read of what is not there."""

    objects: dict[str, bytes] = field(default_factory=dict)
    refusal: tuple[str, int] = ("NoSuchKey", 404)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def get_object(self, **request: Any) -> dict[str, Any]:
        """Return an object."""
        if request["Key"] in self.objects:
            return {"Body": io.BytesIO(self.objects[request["Key"]])}
        raise self._refused("GetObject")

    def head_object(self, **request: Any) -> dict[str, Any]:
        """Return what is noted beside an object."""
        if request["Key"] in self.metadata:
            return {"Metadata": self.metadata[request["Key"]]}
        raise self._refused("HeadObject")

    def put_object(self, **request: Any) -> None:
        """Keep an object."""
        self.objects[request["Key"]] = request["Body"]

    def _refused(self, operation: str) -> ClientError:
        code, status = self.refusal
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(cast("Any", answer), operation)

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the manifest."""
        content: dict[str, Any] = json.loads(self.objects[manifest_key(SOURCE)])
        return content


@pytest.mark.parametrize("refusal", [("NoSuchKey", 404), ("AccessDenied", 403)])
def test_a_failure_is_recorded(refusal: tuple[str, int]) -> None:
    """Nothing is there; without the right to list, S3 says that it may not be seen."""
    bucket = Bucket(refusal=refusal)

    job = record_failure(JOB, bucket, "output")

    assert (bucket.manifest["status"], bucket.manifest["error"]) == ("FAILED", "Lambda.ServiceException")
    assert (job.output, job.failure) == (None, JOB.failure)


def test_what_was_delivered_stays_delivered() -> None:
    """The function had done its work, and its answer was lost on every try."""
    delivered = success_manifest(JOB, OUTPUT, {})
    bucket = Bucket({manifest_key(SOURCE): delivered.encode()})

    job = record_failure(JOB, bucket, "output")

    assert bucket.manifest["status"] == "SUCCEEDED"
    assert (job.output, job.failure) == (OUTPUT, None)


def test_an_output_without_its_manifest_gets_one() -> None:
    """S3 took the video and refused the manifest on every try: the video is there, whole and verified."""
    bucket = Bucket(metadata={OUTPUT.key: output_metadata(JOB)})

    job = record_failure(JOB, bucket, "output")

    assert (bucket.manifest["status"], bucket.manifest["output"]) == ("SUCCEEDED", OUTPUT.to_json())
    assert bucket.manifest["report"].startswith("lost")
    assert (job.output, job.failure) == (OUTPUT, None)


@pytest.mark.parametrize(
    "metadata",
    [
        output_metadata(replace(JOB, execution=Execution("arn:other", "2026-11-24T11:00:00Z"))),
        output_metadata(replace(JOB, source=replace(SOURCE, version_id="v0"))),
        {},
    ],
    ids=["of another execution", "of another version", "of somebody else"],
)
def test_an_output_of_somebody_else_is_no_delivery(metadata: dict[str, str]) -> None:
    """An earlier upload's output stays where it is; this one has failed."""
    bucket = Bucket(metadata={OUTPUT.key: metadata})

    job = record_failure(JOB, bucket, "output")

    assert (bucket.manifest["status"], job.output) == ("FAILED", None)


@pytest.mark.parametrize(
    "earlier",
    [
        success_manifest(replace(JOB, execution=Execution("arn:other", "2026-11-24T11:00:00Z")), OUTPUT, {}),
        "no JSON",
        "{}",
    ],
    ids=["of another execution", "no JSON", "no status"],
)
def test_an_earlier_manifest_is_written_over(earlier: str) -> None:
    """It says nothing of this execution."""
    bucket = Bucket({manifest_key(SOURCE): earlier.encode()})

    record_failure(JOB, bucket, "output")

    assert bucket.manifest["status"] == "FAILED"


@pytest.mark.parametrize(
    ("refusal", "named"),
    [(("InternalError", 500), StorageUnavailable), (("NoSuchBucket", 404), ConfigurationError)],
)
def test_not_knowing_is_tried_again(refusal: tuple[str, int], named: type[Exception]) -> None:
    """A failure over an output would be both."""
    with pytest.raises(named):
        record_failure(JOB, Bucket(refusal=refusal), "output")
