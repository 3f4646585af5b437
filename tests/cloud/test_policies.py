"""Least privilege, both ways: what functions called is allowed, and what is allowed was called."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.delivery import output_metadata
from chalicelib.contract.job import (
    DetectionProgress,
    DetectionStatus,
    Execution,
    Failure,
    Job,
    manifest_key,
)
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.segments import Segments
from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from local_cloud.http.iam_calls import STATE_MACHINE, ServiceCall
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import ROOT, Pipeline

PREFIX = "face-blur-local-"
PATIENCE_S = 300
CONTAINER_FUNCTIONS = ("plan-segments", "blur-faces", "assemble-video")
APP_FUNCTIONS = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]
FUNCTIONS = [*APP_FUNCTIONS, *CONTAINER_FUNCTIONS]
# Step Functions itself calls these with the machine's role, where nothing can record it.
CALLED_BY_AWS = ("logs:", "xray:")


@dataclass(frozen=True)
class Permission:
    """One action that a statement allows, on its resources."""

    statement: str
    action: str
    resources: tuple[str, ...]

    def covers(self, call: ServiceCall) -> bool:
        """Return whether `call` may be made by this permission."""
        on_resource = any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
        return fnmatchcase(call.action.lower(), self.action.lower()) and on_resource


@dataclass(frozen=True)
class Session:
    """What was deployed and what it did: permissions and calls by function."""

    permissions: dict[str, list[Permission]]
    calls: frozenset[ServiceCall]

    def calls_of(self, function: str) -> set[ServiceCall]:
        """Return the calls of one function, or of the state machine."""
        return {call for call in self.calls if call.principal.removeprefix(PREFIX) == function}


def test_no_function_no_calls(session: Session) -> None:
    """The empty case: nobody else called anything."""
    assert session.calls_of("no-such-function") == set()
    assert {call.principal.removeprefix(PREFIX) for call in session.calls} == {*FUNCTIONS, STATE_MACHINE}


@pytest.mark.parametrize("function", [*FUNCTIONS, STATE_MACHINE])
def test_every_action_that_was_called_is_allowed(session: Session, function: str) -> None:
    """Each recorded call is allowed on its resource by the policy of the role that made it."""
    refused = [
        call
        for call in session.calls_of(function)
        if not any(permission.covers(call) for permission in session.permissions[function])
    ]

    assert refused == []


@pytest.mark.parametrize("function", [*FUNCTIONS, STATE_MACHINE])
def test_every_action_that_is_allowed_was_called(session: Session, function: str) -> None:
    """An action nobody calls is one too many."""
    unused = [
        permission
        for permission in session.permissions[function]
        if not permission.action.startswith(CALLED_BY_AWS if function == STATE_MACHINE else ())
        and not any(permission.covers(call) for call in session.calls_of(function))
    ]

    assert unused == []


def test_each_function_has_a_role_of_its_own(session: Session) -> None:
    """One role, one job: roles are as many as functions, and none allows everything."""
    every = [permission for permissions in session.permissions.values() for permission in permissions]

    assert set(session.permissions) == {*FUNCTIONS, STATE_MACHINE}
    assert [permission for permission in every if "*" in permission.action] == []


def test_only_actions_without_a_narrower_resource_have_a_star(session: Session) -> None:
    """Rekognition's know none; those of log delivery and X-Ray neither."""
    every = [permission for permissions in session.permissions.values() for permission in permissions]

    wide = {permission.action.partition(":")[0] for permission in every if permission.resources == ("*",)}
    assert wide == {"rekognition", "logs", "xray"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return what uploads did: good, bad, too many at once, with and without versions; and a lost event."""
    folder = tmp_path_factory.mktemp("policies")
    clip = make_portrait_clip(folder / "portrait.mp4", standing(0.5))
    # One that several functions render: it has keyframes to be cut at.
    groups = (("preset", "ultrafast"), ("x264-params", "keyint=5:min-keyint=5"))
    long_clip = make_portrait_clip(folder / "long.mp4", replace(standing(0.5), options=groups))
    settings = CloudSettings(
        detection="rekognition",
        retry_delays_s=(0.05,),
        rekognition=RekognitionSettings(open_jobs=1, page_size=1),
        renderer={"SEGMENT_WORK_S": "0.01", "SEGMENTS_AT_ONCE": "2"},
    )
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        pipeline = Pipeline(cloud, folder)
        _upload(pipeline, clip, long_clip, "versioned")
        _read_on(pipeline, make_portrait_clip(folder / "pages.mp4", standing(1.0)))
        _withdraw(cloud, "versioned-output")
        for bucket in (cloud.buckets.input, cloud.buckets.output):
            cloud.client("s3").put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
            )
        _withdraw(cloud, "unversioned-output")
        # Each is refused, once S3 was asked for a version that the event does not name.
        _upload(pipeline, clip, long_clip, "unversioned")
        _lose_events(cloud)
        yield Session(_permissions(cloud), cloud.calls())


def _upload(pipeline: Pipeline, clip: Path, long_clip: Path, folder: str) -> None:
    """Upload more at once than Rekognition takes, one that is cut into segments, and one that is no video."""
    s3, bucket = pipeline.cloud.client("s3"), pipeline.cloud.buckets.input
    keys = [f"{folder}/{number}.{suffix}" for number in range(2) for suffix in ("mp4", "MP4")]
    before = len(pipeline.executions())
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=clip.read_bytes())
    s3.put_object(Bucket=bucket, Key=f"{folder}/long.mp4", Body=long_clip.read_bytes())
    s3.put_object(Bucket=bucket, Key=f"{folder}/letter.mp4", Body=b"Dear Sir or Madam")
    _wait_until(lambda: len(pipeline.executions()) == before + len(keys) + 2)
    arn = pipeline.cloud.state_machine_arn.replace(":stateMachine:", ":execution:")
    for name in pipeline.executions():
        pipeline.ended(f"{arn}:{name}")


def _read_on(pipeline: Pipeline, clip: Path) -> None:
    """Break off the reading of faces after a page, and start the detection of that upload again."""
    reading = Step(PREFIX + "get-rekognized-faces", "rekognition:GetFaceDetection", number=1)
    key = "read on.mp4"
    # The client tries twice.
    pipeline.cloud.faults.watch(key, Fault(key, reading, FaultKind.SERVER_ERROR, attempts=2))
    upload = pipeline.put(clip, key)
    assert pipeline.wait(upload).status == "SUCCEEDED"
    assert pipeline.cloud.faults.hits(key) == 2
    again = Job(upload.source, DetectionProgress(DetectionStatus.AGAIN))
    answer = pipeline.cloud.client("lambda").invoke(
        FunctionName=PREFIX + "start-face-detection", Payload=json.dumps(again.to_json())
    )
    assert "FunctionError" not in answer


def _withdraw(cloud: LocalCloud, name: str) -> None:
    """Let each function that delivers or records find an output of its own that must not stay."""
    for function in ("blur-faces", "assemble-video", "record-failure"):
        source = SourceObject(cloud.buckets.input, f"{name}-{function}.mp4", "v1", "e", "1", 1)
        plan = ObjectReference(cloud.buckets.work, "executions/none/plan.json")
        failed = Failure("StorageUnavailable", "S3 was down")
        job = Job(
            source,
            DetectionProgress(DetectionStatus.SUCCEEDED, "job"),
            Execution(f"arn:m:{name}", "2026-11-28T12:00:00Z"),
            segments=Segments(plan, (0,), 1),
            failure=failed,
        )
        put = partial(cloud.client("s3").put_object, Bucket=cloud.buckets.output)
        put(Key=source.key, Body=b"video", Metadata=output_metadata(job))
        put(Key=manifest_key(source), Body=failure_manifest(job, failed).encode())
        writing = Step(PREFIX + "record-failure", "s3:PutObject")
        cloud.faults.watch(
            source.key, Fault(source.key, writing, FaultKind.MANIFEST_FORBIDDEN, attempts=FOR_EVER)
        )
        answer = cloud.client("lambda").invoke(
            FunctionName=PREFIX + function, Payload=json.dumps(job.to_json())
        )
        assert answer["FunctionError"], function
        listed = cloud.client("s3").list_objects_v2(Bucket=cloud.buckets.output, Prefix=source.key)
        assert [one["Key"] for one in listed["Contents"]] == [manifest_key(source)]


def _lose_events(cloud: LocalCloud) -> None:
    """Send each function that S3 calls an event that it refuses on every try."""
    uploaded = {"key": "a.mp4", "size": 1, "eTag": "e", "sequencer": "1"}
    s3 = {"bucket": {"name": cloud.buckets.output}, "object": uploaded}
    event = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})
    for name in ("face-detection", "face-detection-other"):
        cloud.client("lambda").invoke(FunctionName=PREFIX + name, InvocationType="Event", Payload=event)
    _wait_until(lambda: len(cloud.lost_events) == 2)


def _wait_until(is_so: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the cloud did not get there")
        time.sleep(0.1)


def _permissions(cloud: LocalCloud) -> dict[str, list[Permission]]:
    functions = cloud.client("lambda").list_functions()["Functions"]
    roles = {one["FunctionName"].removeprefix(PREFIX): one["Role"].rpartition("/")[2] for one in functions}
    return {
        name: _role(cloud, role) for name, role in {**roles, STATE_MACHINE: PREFIX + STATE_MACHINE}.items()
    }


def _role(cloud: LocalCloud, role: str) -> list[Permission]:
    iam = cloud.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [
        Permission(statement["Sid"], action, tuple(_listed(statement["Resource"])))
        for document in documents
        for statement in document["Statement"]
        for action in _listed(statement["Action"])
    ]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
