"""One local cloud for all end-to-end tests, and a way to put a video through it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.job import REVIEW_PREFIX, execution_name, manifest_key
from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings

ROOT = Path(__file__).parent.parent.parent
LONGEST_EXECUTION_S = 600
ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Upload:
    """One upload on its way: what S3 calls it, and the one execution it must get."""

    source: SourceObject
    execution_arn: str


@dataclass(frozen=True)
class Outcome:
    """How an upload ended: the execution's status and error, the manifest, the output if there is one."""

    status: str
    error: str
    manifest: dict[str, Any]
    output: Path | None


class Pipeline:
    """A deployed local cloud, seen as its users see it: buckets and executions."""

    project = ROOT

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder

    def put(self, body: bytes | Path, key: str) -> Upload:
        """Upload `body` under `key`."""
        s3, bucket = self.cloud.client("s3"), self.cloud.buckets.input
        content = body.read_bytes() if isinstance(body, Path) else body
        answer = s3.put_object(Bucket=bucket, Key=key, Body=content)
        source = SourceObject(bucket, key, answer["VersionId"], answer["ETag"].strip('"'), "", len(content))
        arn = self.cloud.state_machine_arn.replace(":stateMachine:", ":execution:")
        return Upload(source, f"{arn}:{execution_name(source)}")

    def wait(self, upload: Upload) -> Outcome:
        """Return how `upload` ended."""
        described = self.ended(upload.execution_arn)
        manifest = self.read(manifest_key(upload.source))
        return Outcome(
            status=described["status"],
            error=described.get("error", ""),
            manifest=json.loads(manifest) if manifest else {},
            output=self._output(upload),
        )

    def blur(self, body: bytes | Path, key: str) -> Outcome:
        """Upload `body` under `key` and return how it ended."""
        return self.wait(self.put(body, key))

    def read(self, key: str) -> bytes | None:
        """Return the object `key` of the output bucket, or None where there is none."""
        s3 = self.cloud.client("s3")
        try:
            answer = s3.get_object(Bucket=self.cloud.buckets.output, Key=key)
        except s3.exceptions.NoSuchKey:
            return None
        return bytes(answer["Body"].read())

    def report(self, upload: Upload) -> dict[str, Any]:
        """Return the full report on `upload`, which the work bucket holds."""
        name, bucket = upload.execution_arn.rpartition(":")[2], self.cloud.buckets.work
        answer = self.cloud.client("s3").get_object(Bucket=bucket, Key=f"{REVIEW_PREFIX}{name}.json")
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def states(self, upload: Upload) -> list[str]:
        """Return the states that the execution of `upload` entered, in order."""
        pages = self.cloud.client("stepfunctions").get_paginator("get_execution_history")
        history = pages.paginate(executionArn=upload.execution_arn)
        events = (event for page in history for event in page["events"])
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in events
            if "stateEnteredEventDetails" in event
        ]

    def executions(self) -> list[str]:
        """Return the names of all executions there ever were."""
        pages = self.cloud.client("stepfunctions").get_paginator("list_executions")
        found = pages.paginate(stateMachineArn=self.cloud.state_machine_arn)
        return [execution["name"] for page in found for execution in page["executions"]]

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """Return the execution's description once it has ended."""
        stepfunctions = self.cloud.client("stepfunctions")
        deadline_s = time.monotonic() + LONGEST_EXECUTION_S
        while time.monotonic() < deadline_s:
            try:
                described: dict[str, Any] = stepfunctions.describe_execution(executionArn=execution_arn)
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                described = {"status": "not started"}
            if described["status"] in ENDED:
                return described
            time.sleep(0.1)
        raise TimeoutError(f"{execution_arn} has not ended: {described['status']}")

    def _output(self, upload: Upload) -> Path | None:
        content = self.read(upload.source.key)
        if content is None:
            return None
        path = self._folder / f"{execution_name(upload.source)}.mp4"
        path.write_bytes(content)
        return path


@pytest.fixture(scope="package")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return the deployed system: events are delivered twice, as S3 may, and Rekognition takes few jobs."""
    settings = CloudSettings(
        detection="rekognition", event_deliveries=2, rekognition=RekognitionSettings(open_jobs=4)
    )
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))
