"""The failure manifest: written once it is sure that this execution has delivered nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.errors import ConfigurationError, KeyUnusable, StorageUnavailable
from chalicelib.contract.job import (
    DetectionProgress,
    DetectionStatus,
    Execution,
    Failure,
    Job,
    manifest_key,
    report_key,
)
from chalicelib.contract.manifest import ManifestStatus, delivery_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.failures import record_failure
from tests.clouds.fake_s3 import FakeS3, refusal

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag", "0055AE", 10)
JOB = Job(
    SOURCE,
    DetectionProgress(DetectionStatus.SUCCEEDED, "job-1"),
    Execution("arn:aws:states:us-east-1:123456789012:execution:machine:one", "2026-11-24T12:00:00Z"),
    failure=Failure("Lambda.ServiceException", "no answer"),
)
OTHER = replace(JOB, execution=Execution("arn:aws:other", "2026-11-24T11:00:00Z"))
NEWER = replace(OTHER, source=replace(SOURCE, version_id="v2", sequencer="0055AE01"))
OUTPUT = ("output", SOURCE.key)
MANIFEST = ("output", manifest_key(SOURCE))
REPORT = ("work", report_key(JOB))


class Denying(FakeS3):
    """Buckets of which one refuses manifests."""

    def put_object(self, **request: Any) -> dict[str, str]:
        """Keep an object, unless it is the manifest."""
        if request["Key"] == MANIFEST[1]:
            raise refusal("AccessDenied", 403)
        return super().put_object(**request)


def delivered(job: Job, status: ManifestStatus = ManifestStatus.SUCCEEDED) -> bytes:
    """Return the manifest of a delivery of `job`."""
    return delivery_manifest(job, status, {"frames": 3}).encode()


def there(job: Job, objects: dict[tuple[str, str], bytes] | None = None) -> FakeS3:
    """Return buckets with an output that the execution of `job` delivered, and other objects."""
    return FakeS3({OUTPUT: b"video", **(objects or {})}, metadata={OUTPUT: output_metadata(job)})


def manifest(client: FakeS3) -> dict[str, Any]:
    """Return the manifest."""
    content: dict[str, Any] = json.loads(client.objects[MANIFEST])
    return content


def test_a_failure_is_recorded() -> None:
    """For everybody beside the output's place, and in full for those who review."""
    client = FakeS3()

    job = record_failure(JOB, client, "output", "work")

    assert (manifest(client)["status"], manifest(client)["error"]) == ("FAILED", "Lambda.ServiceException")
    assert json.loads(client.objects[REPORT])["source"]["bucket"] == "input"
    assert (job.output, job.failure) == (None, JOB.failure)
    assert job.manifest == ObjectReference(*MANIFEST)


def test_recording_twice_is_recording_once() -> None:
    """Lambda may run a function twice."""
    client = FakeS3()
    first = record_failure(JOB, client, "output", "work")
    before = dict(client.objects)

    second = record_failure(JOB, client, "output", "work")

    assert (second, client.objects) == (first, before)


def test_what_was_delivered_stays_delivered() -> None:
    """The function had done its work, and its answer was lost on every try."""
    client = there(JOB, {MANIFEST: delivered(JOB)})

    job = record_failure(JOB, client, "output", "work")

    assert manifest(client)["status"] == "SUCCEEDED"
    assert (job.output, job.failure) == (ObjectReference(*OUTPUT), None)


def test_a_delivery_without_its_confirmation_is_confirmed() -> None:
    """S3 took the video, and refused the manifest's last word on every try: nothing of it is lost."""
    client = there(JOB, {MANIFEST: delivered(JOB, ManifestStatus.DELIVERING)})

    job = record_failure(JOB, client, "output", "work")

    assert (manifest(client)["status"], manifest(client)["frames"]) == ("SUCCEEDED", 3)
    assert (job.output, job.failure) == (ObjectReference(*OUTPUT), None)


def test_an_output_without_its_manifest_gets_one() -> None:
    """Somebody has taken it away: the video is there, whole and verified."""
    client = there(JOB)

    job = record_failure(JOB, client, "output", "work")

    assert (manifest(client)["status"], manifest(client)["output"]) == ("SUCCEEDED", {"key": "clip.mp4"})
    assert manifest(client)["report"].startswith("lost")
    assert (job.output, job.failure) == (ObjectReference(*OUTPUT), None)


def test_an_output_whose_manifest_is_refused_for_good_is_taken_away() -> None:
    """An output and a failed execution would be both ways at once."""
    client = there(JOB, {MANIFEST: delivered(JOB, ManifestStatus.DELIVERING)})
    client.errors = {"put_object": refusal("AccessDenied", 403)}

    with pytest.raises(ConfigurationError):
        record_failure(JOB, client, "output", "work")

    assert OUTPUT not in client.objects


def test_a_failure_whose_manifest_is_refused_is_in_the_report() -> None:
    """A policy denies manifests in the output bucket; the work bucket is the project's own."""
    client = Denying()

    with pytest.raises(ConfigurationError):
        record_failure(JOB, client, "output", "work")

    assert list(client.objects) == [REPORT]
    assert json.loads(client.objects[REPORT])["error"] == "Lambda.ServiceException"


@pytest.mark.parametrize(
    "metadata",
    [
        output_metadata(OTHER),
        output_metadata(replace(JOB, source=replace(SOURCE, version_id="v0"))),
        {},
    ],
    ids=["of another execution", "of another version", "of somebody else"],
)
def test_an_output_of_somebody_else_is_no_delivery(metadata: dict[str, str]) -> None:
    """An earlier upload's output stays where it is; this one has failed, and the manifest says both."""
    client = FakeS3({OUTPUT: b"video"}, metadata={OUTPUT: metadata})

    job = record_failure(JOB, client, "output", "work")

    assert (manifest(client)["status"], job.output) == ("FAILED", None)
    assert manifest(client).get("output_of_version") == metadata.get("source-version")
    assert client.objects[OUTPUT] == b"video"


@pytest.mark.parametrize(
    "earlier",
    [delivered(OTHER), b"no JSON", b"{}", b'{"source": 1}'],
    ids=["of another execution", "no JSON", "no status", "no source"],
)
def test_an_earlier_manifest_is_written_over(earlier: bytes) -> None:
    """It says nothing of this execution."""
    client = FakeS3({MANIFEST: earlier})

    record_failure(JOB, client, "output", "work")

    assert manifest(client)["status"] == "FAILED"


@pytest.mark.parametrize("status", ManifestStatus)
def test_the_manifest_of_a_newer_upload_stays(status: ManifestStatus) -> None:
    """The newest upload wins; the older one's failure is in the report."""
    newer = delivered(NEWER, status)
    client = FakeS3({MANIFEST: newer})

    job = record_failure(JOB, client, "output", "work")

    assert client.objects[MANIFEST] == newer
    assert json.loads(client.objects[REPORT])["status"] == "FAILED"
    assert job.manifest == ObjectReference(*REPORT)


def test_an_older_output_under_a_newer_claim_stays_delivered() -> None:
    """It appeared between the claim and the video of the newer upload, which replaces it."""
    newer = delivered(NEWER, ManifestStatus.DELIVERING)
    client = there(JOB, {MANIFEST: newer})

    job = record_failure(JOB, client, "output", "work")

    assert (client.objects[MANIFEST], job.failure) == (newer, None)


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        (refusal("InternalError", 500), StorageUnavailable),
        (refusal("BadDigest", 400), StorageUnavailable),
        (refusal("ExpiredToken", 400), StorageUnavailable),
        (refusal("NoSuchBucket", 404), ConfigurationError),
        (refusal("AccessDenied", 403), ConfigurationError),
        (refusal("KMS.DisabledException", 400), KeyUnusable),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["head_object", "get_object"])
def test_not_knowing_is_no_failure(operation: str, refused: Exception, named: type[Exception]) -> None:
    """A failure beside an output would be both: what may not be seen may be there."""
    client = FakeS3(errors={operation: refused})

    with pytest.raises(named):
        record_failure(JOB, client, "output", "work")

    assert client.objects == {}
