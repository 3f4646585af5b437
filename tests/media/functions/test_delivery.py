"""Delivery: output and manifest agree, whoever writes at the same time and wherever it breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from blur_container.functions.delivery import Delivery
from blur_container.storage.s3 import Storage
from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.errors import ConfigurationError, FailureRecorded, StorageUnavailable, Superseded
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Failure, Job, manifest_key
from chalicelib.contract.manifest import ManifestStatus, delivery_manifest, failure_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.fake_s3 import FakeS3, refusal

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag", "0A", 10)
JOB = Job(
    SOURCE, DetectionProgress(DetectionStatus.SUCCEEDED, "job-1"), Execution("arn:m:first", "2026-11-28")
)
NEWER = replace(
    JOB,
    source=replace(SOURCE, version_id="v2", sequencer="0A01"),
    execution=Execution("arn:m:second", "2026-11-28"),
)
OLDER = replace(
    JOB,
    source=replace(SOURCE, version_id="v0", sequencer="09FF"),
    execution=Execution("arn:m:zeroth", "2026-11-28"),
)
OUTPUT = ("output", SOURCE.key)
MANIFEST = ("output", manifest_key(SOURCE))
FACTS = {"frames": 3, "review_flags": {"moments": [{"box": [0, 0, 1, 1]}]}}


class Denying(FakeS3):
    """Refuses to write the manifest after `allowed` times."""

    allowed: int = 0

    def put_object(self, **request: Any) -> dict[str, str]:
        """Keep an object, unless it is the manifest."""
        if request["Key"] == MANIFEST[1]:
            self.allowed -= 1
            if self.allowed < 0:
                raise refusal("AccessDenied", 403)
        return super().put_object(**request)


@dataclass
class Courier:
    """Delivers jobs through one client; `between` runs once, before a video is written."""

    client: FakeS3 = field(default_factory=FakeS3)
    between: Callable[[], object] = lambda: None
    writes: int = 0

    def deliver(self, job: Job = JOB) -> Job:
        """Deliver a video that holds the version of its upload."""
        return self._delivery(job).run(FACTS, lambda condition: self._write(job, condition))

    def resumed(self, job: Job = JOB) -> Job | None:
        """Return what an invocation finds that an earlier one has done."""
        return self._delivery(job).finished_before()

    def _delivery(self, job: Job) -> Delivery:
        return Delivery.of(job, Storage(self.client), "output", "work")

    def _write(self, job: Job, condition: Mapping[str, str]) -> None:
        between, self.between = self.between, lambda: None
        between()
        self.writes += 1
        joined, target = ObjectReference("work", "joined"), ObjectReference(*OUTPUT)
        self.client.objects["work", "joined"] = str(job.source.version_id).encode()
        Storage(self.client).copy_over(joined, target, "video/mp4", output_metadata(job), condition)

    @property
    def output(self) -> str:
        """Return the version whose video is under the output's key; an empty text without one."""
        return self.client.objects.get(OUTPUT, b"").decode()

    @property
    def told(self) -> tuple[str, str]:
        """Return the status in the manifest, and the version that it is about."""
        manifest = json.loads(self.client.objects[MANIFEST])
        return manifest["status"], manifest["source"]["version_id"]


class Restless(Courier):
    """Delivers where another writes the output before every try."""

    def _write(self, job: Job, condition: Mapping[str, str]) -> None:
        self.client.objects[OUTPUT] = self.client.objects.get(OUTPUT, b"") + b"x"
        super()._write(job, condition)


def test_output_and_manifest_are_delivered() -> None:
    """The manifest is confirmed, and says nothing of where faces may be missed; the report does."""
    courier = Courier()

    job = courier.deliver()

    assert (courier.output, courier.told) == ("v1", ("SUCCEEDED", "v1"))
    assert "review_flags" not in json.loads(courier.client.objects[MANIFEST])
    assert (
        json.loads(courier.client.objects["work", "review/first.json"])["review_flags"]
        == FACTS["review_flags"]
    )
    assert job.output is not None


def test_the_public_manifest_names_no_account_and_no_bucket() -> None:
    """The manifest beside the output names neither account nor bucket."""
    courier = Courier()

    courier.deliver(replace(JOB, execution=Execution("arn:aws:states:::123456789012:m:first", "2026-11-28")))

    text = courier.client.objects[MANIFEST].decode()
    assert "123456789012" not in text
    assert '"bucket"' not in text


def test_a_manifest_that_may_not_be_written_costs_the_output() -> None:
    """Without permission to write the manifest no output appears."""
    courier = Courier(Denying())

    with pytest.raises(ConfigurationError):
        courier.deliver()

    assert (courier.output, courier.writes) == ("", 0)


def test_an_output_that_cannot_be_confirmed_is_taken_away() -> None:
    """The right to write manifests went between the claim and the confirmation."""
    client = Denying()
    client.allowed = 1

    with pytest.raises(ConfigurationError):
        Courier(client).deliver()

    assert OUTPUT not in client.objects


def test_a_newer_upload_supersedes_an_older_one() -> None:
    """The output and manifest of a newer upload are not replaced by an older one."""
    courier = Courier()
    courier.deliver(NEWER)

    with pytest.raises(Superseded):
        courier.deliver(JOB)

    assert (courier.output, courier.told) == ("v2", ("SUCCEEDED", "v2"))


def test_a_newer_upload_that_overtakes_wins() -> None:
    """A newer upload delivered between the claim and the video of an older one stays."""
    courier = Courier()
    courier.between = lambda: courier.deliver(NEWER)

    with pytest.raises(Superseded):
        courier.deliver(JOB)

    assert (courier.output, courier.told) == ("v2", ("SUCCEEDED", "v2"))


def test_an_older_upload_that_comes_between_is_replaced() -> None:
    """The newer one has read before the older one's video appeared."""
    courier = Courier()
    courier.client.objects[OUTPUT] = b"before"
    older = {"Bucket": "output", "Key": SOURCE.key, "Body": b"v0", "Metadata": output_metadata(OLDER)}
    courier.between = lambda: courier.client.put_object(**older)

    courier.deliver(JOB)

    assert (courier.output, courier.told) == ("v1", ("SUCCEEDED", "v1"))


def test_a_failure_recorded_meanwhile_takes_the_output_away() -> None:
    """The execution gave up between the claim and the video: never both."""
    courier = Courier()
    failed = failure_manifest(JOB, Failure("StorageUnavailable", "down")).encode()
    courier.between = lambda: courier.client.objects.update({MANIFEST: failed})

    with pytest.raises(FailureRecorded):
        courier.deliver()

    assert (courier.output, courier.told) == ("", ("FAILED", "v1"))


@pytest.mark.parametrize("status", [ManifestStatus.DELIVERING, ManifestStatus.SUCCEEDED])
def test_a_delivery_whose_answer_was_lost_is_not_rendered_again(status: ManifestStatus) -> None:
    """The next try confirms what is there."""
    courier = Courier()
    courier.deliver()
    courier.client.objects[MANIFEST] = delivery_manifest(JOB, status, FACTS).encode()

    job = courier.resumed()

    assert job is not None
    assert courier.told == ("SUCCEEDED", "v1")


def test_a_claim_without_an_output_is_rendered_again() -> None:
    """A manifest that was claimed by a killed function does not stop the next attempt."""
    courier = Courier()
    courier.client.objects[MANIFEST] = delivery_manifest(JOB, ManifestStatus.DELIVERING, FACTS).encode()

    assert courier.resumed() is None
    courier.deliver()

    assert (courier.output, courier.told) == ("v1", ("SUCCEEDED", "v1"))


def test_a_video_whose_answer_was_lost_is_not_written_twice() -> None:
    """The same execution's output is recognised by what S3 notes beside it."""
    courier = Courier()
    courier.deliver()
    del courier.client.objects[MANIFEST]
    courier.writes = 0

    courier.deliver()

    assert (courier.writes, courier.told) == (0, ("SUCCEEDED", "v1"))


def test_a_place_that_is_never_still_is_an_error_to_try_again() -> None:
    """Another writes the output before every try."""
    with pytest.raises(StorageUnavailable, match="again and again"):
        Restless().deliver()
