"""Scenarios that together need every permission of a stage; each returns an outcome that is always the same.

Uploads go through the whole system. What no upload does is called directly: failures, races, lost events,
deployments, and calls that only stolen credentials would make.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.job import (
    DetectionProgress,
    DetectionStatus,
    Execution,
    Failure,
    Job,
    execution_name,
    manifest_key,
    report_key,
)
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.segments import Segments
from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from tests.checks.deployment_scenarios import PREFIX, Deployments, Scenario
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import ENDED, Pipeline, Upload

EVENT_FUNCTIONS = ("face-detection", "face-detection-other")
PATIENCE_S = 120
_GONE_VERSION = "00000000-0000-4000-8000-000000000000"
_KEYFRAMES = (("preset", "ultrafast"), ("x264-params", "keyint=5:min-keyint=5"))


class Scenarios:
    """All scenarios, on one deployed cloud whose stage has every option that adds permissions."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self._cloud = cloud
        self._pipeline = Pipeline(cloud, folder)
        self._numbers = itertools.count(1)
        self._clip = make_portrait_clip(folder / "short.mp4", standing(0.5)).read_bytes()
        long_clip = replace(standing(0.5), options=_KEYFRAMES)
        self._long = make_portrait_clip(folder / "long.mp4", long_clip).read_bytes()
        self._two_faces = make_portrait_clip(folder / "pages.mp4", standing(1.0)).read_bytes()
        self._kept = self._pipeline.put(self._clip, "kept.mp4")
        self._pipeline.ended(self._kept.execution_arn)

    def every(self) -> list[Scenario]:
        """Return the scenarios, the shorter ones first."""
        with_faces, with_segments = self._prepared()
        gone = {"plan-segments": with_faces, "blur-faces": with_faces, "assemble-video": with_segments}
        unstarted = replace(with_faces, detection=DetectionProgress(DetectionStatus.NOT_STARTED), faces=None)
        return [
            *Deployments(self._cloud, self._kept.source).every(),
            *(self._of("gone", name, partial(self._invoke, name, job)) for name, job in gone.items()),
            self._of(
                "gone", "start-face-detection", partial(self._invoke, "start-face-detection", unstarted)
            ),
            Scenario("start-face-detection after waiting", self._start_detection),
            *(self._of("unnamed version", name, partial(self._event, name)) for name in EVENT_FUNCTIONS),
            *(self._of("lost event", name, partial(self._lose, name)) for name in EVENT_FUNCTIONS),
            *self._withdrawals(),
            *(
                self._of(f"gone, {what}", name, partial(self._gone_event, name, **version))
                for name in EVENT_FUNCTIONS
                for what, version in (("version", {"versionId": _GONE_VERSION}), ("object", {}))
            ),
            Scenario("upload of no video", partial(self._upload, b"Dear Sir or Madam", "mp4")),
            Scenario("detection started again", self._start_again),
            Scenario("upload whose faces are read on", self._read_on),
            Scenario("upload", partial(self._upload, self._clip, "mp4")),
            Scenario("upload with capitals", partial(self._upload, self._clip, "MP4")),
            Scenario("upload in segments", partial(self._upload, self._long, "mp4")),
        ]

    def _of(self, what: str, function: str, run: Callable[[], Any]) -> Scenario:
        return Scenario(f"{function}: {what}", run)

    def _withdrawals(self) -> Iterator[Scenario]:
        for name in ("blur-faces", "assemble-video", "record-failure"):
            for status in ("Enabled", "Suspended"):
                run = partial(self._withdraw, name, status)
                yield self._of(f"withdrawal, versioning {status.lower()}", name, run)

    def _upload(self, content: bytes, suffix: str) -> Any:
        """Return how an upload ends, what is left of it in the work bucket, and which functions logged."""
        lost, begin_ms = len(self._cloud.lost_events), time.time_ns() // 1_000_000
        upload = self._pipeline.put(content, f"upload{next(self._numbers)}.{suffix}")
        return (self._ending(upload, lost), *self._left(upload.source), self._logged(begin_ms))

    def _ending(self, upload: Upload, lost: int) -> tuple[str, str]:
        """Return status and error of the execution, or that its event was lost."""
        stepfunctions, deadline_s = self._cloud.client("stepfunctions"), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            try:
                found = stepfunctions.describe_execution(executionArn=upload.execution_arn)
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                found = {"status": "not started"}
            if found["status"] in ENDED:
                return found["status"], found.get("error", "")
            if len(self._cloud.lost_events) > lost:
                return "lost event", ""
            time.sleep(0.05)
        return "still running", ""

    def _left(self, source: SourceObject) -> tuple[Any, ...]:
        """Return what an ended execution has left: its manifest, its report, its work objects."""
        s3, name = self._cloud.client("s3"), execution_name(source)
        manifest = json.loads(self._pipeline.read(manifest_key(source)) or b"{}")
        error = manifest.get("failure") or manifest.get("error")
        buckets = (
            (self._cloud.buckets.work, f"executions/{name}/"),
            (self._cloud.buckets.work, f"review/{name}"),
        )
        counts = (s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] for bucket, prefix in buckets)
        kind = error.get("error") if isinstance(error, dict) else error
        return (manifest.get("status"), kind, *counts)

    def _logged(self, begin_ms: int) -> tuple[str, ...]:
        """Return the functions with a line in their log since then."""
        logs, prefix = self._cloud.client("logs"), f"/aws/lambda/{PREFIX}"
        groups = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        names = [group["logGroupName"] for group in groups]
        return tuple(
            name.removeprefix(prefix)
            for name in names
            if logs.filter_log_events(logGroupName=name, startTime=begin_ms)["events"]
        )

    def _invoke(self, function: str, job: Job | dict[str, Any]) -> tuple[str, bool]:
        """Return the error of a function, or nothing, and whether it logged."""
        begin_ms = time.time_ns() // 1_000_000
        answer = self._answer(function, job.to_json() if isinstance(job, Job) else job)
        return str(answer.get("errorType", "")), function in self._logged(begin_ms)

    def _answer(self, function: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = self._cloud.client("lambda").invoke(
            FunctionName=PREFIX + function, Payload=json.dumps(payload)
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def _prepared(self) -> tuple[Job, Job]:
        """Return the job of an upload that is gone by now, with its faces, and with its segments too."""
        upload = self._pipeline.put(self._long, "prepared.mp4")
        described = self._pipeline.ended(upload.execution_arn)
        execution = {"id": f"{upload.execution_arn}-again", "started_at": "2026-11-28T12:00:00Z"}
        begun = {**json.loads(described["input"]), "execution": execution}
        begun["detection"]["status"] = "SUCCEEDED"
        with_faces = self._answer("get-rekognized-faces", begun)
        with_segments = self._answer("plan-segments", with_faces)
        for number in with_segments["segments"]["numbers"]:
            self._answer("blur-faces", {"job": with_segments, "segment": number})
        source = upload.source
        self._cloud.client("s3").delete_object(
            Bucket=source.bucket, Key=source.key, VersionId=source.version_id
        )
        return Job.from_json(with_faces), Job.from_json(with_segments)

    def _start_detection(self) -> Any:
        source = self._kept.source
        return self._invoke(
            "start-face-detection", Job(source, DetectionProgress(DetectionStatus.NOT_STARTED))
        )

    def _start_again(self) -> Any:
        source = self._kept.source
        return self._invoke("start-face-detection", Job(source, DetectionProgress(DetectionStatus.AGAIN)))

    def _read_on(self) -> Any:
        """Break off the reading of faces after a page, so that another invocation reads the page again."""
        lost, key = len(self._cloud.lost_events), f"readon{next(self._numbers)}x.mp4"
        reading = Step(PREFIX + "get-rekognized-faces", "rekognition:GetFaceDetection", number=1)
        # The client tries twice.
        self._cloud.faults.watch(key, Fault(key, reading, FaultKind.SERVER_ERROR, attempts=2))
        upload = self._pipeline.put(self._two_faces, key)
        return (self._ending(upload, lost), *self._left(upload.source), self._cloud.faults.hits(key))

    def _event(self, function: str) -> Any:
        """Send an event that names no version of an upload that is there."""
        source = self._kept.source
        return self._invoke(function, _record(source.bucket, source.key, source.etag, source.size_bytes))

    def _gone_event(self, function: str, **version: str) -> Any:
        """Send an event of an upload that is not there; return how its execution ends."""
        lost, bucket, key = (
            len(self._cloud.lost_events),
            self._cloud.buckets.input,
            f"gone{next(self._numbers)}.mp4",
        )
        answer = self._answer(function, _record(bucket, key, "e" * 32, 1000, **version))
        if "errorType" in answer:
            return answer["errorType"]
        source = SourceObject(bucket, key, version.get("versionId"), "e" * 32, "", 1000)
        machine = self._cloud.state_machine_arn.replace(":stateMachine:", ":execution:")
        upload = Upload(source, f"{machine}:{answer['executions'][0]}")
        return (self._ending(upload, lost), *self._left(source))

    def _lose(self, function: str) -> Any:
        """Send an event that is refused on every try; return how many messages the queue got."""
        sqs, lost = self._cloud.client("sqs"), len(self._cloud.lost_events)
        url = sqs.get_queue_url(QueueName=f"{PREFIX}dead-letters")["QueueUrl"]
        before = _depth(sqs, url)
        event = json.dumps(_record(self._cloud.buckets.output, "a.mp4", "e", 1))
        self._cloud.client("lambda").invoke(
            FunctionName=PREFIX + function, InvocationType="Event", Payload=event
        )
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self._cloud.lost_events) == lost and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return len(self._cloud.lost_events) - lost, _depth(sqs, url) - before

    def _withdraw(self, function: str, versioning: str) -> Any:
        """Let a function find an output of its own that must not stay; return what is left."""
        s3, bucket = self._cloud.client("s3"), self._cloud.buckets.output
        key = f"withdrawn{next(self._numbers)}.mp4"
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
        source = SourceObject(self._cloud.buckets.input, key, "v1", "e", "1", 1)
        failed = Failure("StorageUnavailable", "S3 was down")
        job = Job(
            source,
            DetectionProgress(DetectionStatus.SUCCEEDED, "job"),
            Execution(f"arn:m:{key}", "2026-11-28T12:00:00Z"),
            segments=Segments(
                ObjectReference(self._cloud.buckets.work, "executions/none/plan.json"), (0,), 1
            ),
            failure=failed,
        )
        s3.put_object(Bucket=bucket, Key=key, Body=b"video", Metadata=output_metadata(job))
        s3.put_object(Bucket=bucket, Key=manifest_key(source), Body=failure_manifest(job, failed).encode())
        writing = Step(PREFIX + "record-failure", "s3:PutObject")
        fault = Fault(key, writing, FaultKind.MANIFEST_FORBIDDEN, attempts=FOR_EVER)
        self._cloud.faults.watch(key, fault)
        told = self._invoke(function, job)
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        reports = s3.list_objects_v2(Bucket=self._cloud.buckets.work, Prefix=report_key(job))["KeyCount"]
        return told, [one["Key"].removeprefix(key) for one in listed], reports


def _record(bucket: str, key: str, etag: str, size: int, **version: str) -> dict[str, Any]:
    uploaded = {"key": key, "size": size, "eTag": etag, "sequencer": "1", **version}
    s3 = {"bucket": {"name": bucket}, "object": uploaded}
    return {
        "Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2026-11-28T12:00:00.000Z", "s3": s3}]
    }


def _depth(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
