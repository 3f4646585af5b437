"""Each function of the app by Chalice's own test client, against the services of the local cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import pytest
from chalice.test import Client

from app import app
from chalicelib.clients import client
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Failure, Job, execution_name
from chalicelib.contract.objects import SourceObject
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import Pipeline

BUCKET = "uploads-without-events"


@pytest.fixture
def functions(pipeline: Pipeline) -> Iterator[Client]:
    """Return Chalice's test client; the app's own boto3 clients speak to the pipeline's cloud."""
    client.cache_clear()
    with Client(app, stage_name="local", project_dir=str(pipeline.cloud.app_folder)) as test_client:
        yield test_client
    client.cache_clear()


@pytest.fixture(scope="module")
def source(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> SourceObject:
    """Return a video in a bucket that tells nobody of its uploads."""
    clip = make_portrait_clip(tmp_path_factory.mktemp("clip") / "portrait.mp4", standing(1.0))
    s3 = pipeline.cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    let_functions_read(pipeline, BUCKET)
    answer = s3.put_object(Bucket=BUCKET, Key="a face+.mp4", Body=clip.read_bytes())
    version_id, etag = answer["VersionId"], answer["ETag"].strip('"')
    return SourceObject(BUCKET, "a face+.mp4", version_id, etag, "1", clip.stat().st_size)


def let_functions_read(pipeline: Pipeline, bucket: str) -> None:
    """Let the functions that read uploads read those in `bucket` too."""
    iam, name = pipeline.cloud.client("iam"), f"arn:aws:s3:::{bucket}"
    statement = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": [name, f"{name}/*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for role in iam.list_roles()["Roles"]:
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName=bucket, PolicyDocument=policy)


def invoke(functions: Client, name: str, job: Job) -> Job:
    """Return what the function `name` makes of `job`."""
    return Job.from_json(functions.lambda_.invoke(name, job.to_json()).payload)


def ended(
    functions: Client, pipeline: Pipeline, bucket: str, key: str, uploaded: dict[str, Any]
) -> dict[str, Any]:
    """Return how the execution ended that face-detection starts for an event with such an object."""
    event: dict[str, Any] = functions.events.generate_s3_event(bucket, key)
    event["Records"][0]["s3"]["object"].update(uploaded)
    (name,) = functions.lambda_.invoke("face-detection", event).payload["executions"]
    arn = pipeline.cloud.state_machine_arn.replace(":stateMachine:", ":execution:")
    return pipeline.ended(f"{arn}:{name}")


def succeeded(functions: Client, job: Job) -> Job:
    """Return `job` once its Rekognition job has succeeded."""
    checked = invoke(functions, "check-rekognition-job-status", job)
    while checked.detection.status is DetectionStatus.IN_PROGRESS:
        # Rekognition takes five calls a second.
        time.sleep(0.3)
        checked = invoke(functions, "check-rekognition-job-status", checked)
    return checked


def test_face_detection_starts_an_execution_for_an_event(functions: Client, source: SourceObject) -> None:
    """The test client does not encode the key as S3 does: the test quotes it."""
    event: dict[str, Any] = functions.events.generate_s3_event(source.bucket, quote_plus(source.key))

    answer = functions.lambda_.invoke("face-detection", event).payload

    assert answer["records"] == 1
    assert [name.startswith("a-face-") for name in answer["executions"]] == [True]


@pytest.mark.parametrize("function", ["face-detection", "face-detection-other"])
def test_test_event_of_s3_is_answered(functions: Client, function: str) -> None:
    """S3 sends it when a notification is set up."""
    answer = functions.lambda_.invoke(function, {"Service": "Amazon S3", "Event": "s3:TestEvent"}).payload

    assert answer == {"records": 0, "executions": []}


def test_job_goes_from_start_to_its_faces_document(
    functions: Client, pipeline: Pipeline, source: SourceObject
) -> None:
    """start-face-detection and get-rekognized-faces turn a new job into one with a faces document."""
    waiting = Job(source, DetectionProgress(DetectionStatus.NOT_STARTED))

    started = invoke(functions, "start-face-detection", waiting)
    stored = invoke(functions, "get-rekognized-faces", succeeded(functions, started))

    assert stored.faces is not None
    body = pipeline.cloud.client("s3").get_object(Bucket=stored.faces.bucket, Key=stored.faces.key)["Body"]
    document = FacesDocument.from_json(body.read())
    assert document.source_id == source.identity
    assert [detection.time_ms for detection in document.detections] == [480, 960]


def test_failure_is_recorded_beside_where_the_output_would_be(
    functions: Client, pipeline: Pipeline, source: SourceObject
) -> None:
    """The manifest names the error, in words and not as a stack trace."""
    cause = json.dumps({"errorMessage": "it ends early", "errorType": "DamagedVideo", "stackTrace": []})
    # Under a key of its own: the execution of another test writes its manifest whenever it ends.
    failed = Job(
        replace(source, key="ends early.mp4"),
        DetectionProgress(DetectionStatus.SUCCEEDED, "j"),
        failure=Failure("DamagedVideo", cause),
    )

    recorded = invoke(functions, "record-failure", failed)

    assert recorded.manifest is not None
    manifest = json.loads(pipeline.read(recorded.manifest.key) or b"{}")
    assert (manifest["status"], manifest["error"], manifest["cause"]) == (
        "FAILED",
        "DamagedVideo",
        "it ends early",
    )


def test_function_run_twice_does_what_it_did_once(functions: Client, source: SourceObject) -> None:
    """Lambda and Step Functions retry: the same token gives the same Rekognition job."""
    waiting = Job(source, DetectionProgress(DetectionStatus.NOT_STARTED))

    first, second = (invoke(functions, "start-face-detection", waiting) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("key", "uploaded", "error"),
    [
        pytest.param("deleted.mp4", {"versionId": "0" * 32}, "SourceChanged", id="version gone"),
        pytest.param("never-there.mp4", {}, "SourceNotVersioned", id="no version, no object"),
    ],
)
def test_missing_object_ends_in_a_recorded_failure(
    functions: Client, pipeline: Pipeline, key: str, uploaded: dict[str, Any], error: str
) -> None:
    """An upload that was deleted at once still gets its execution, which records why there is no output."""
    described = ended(functions, pipeline, BUCKET, key, {"size": 100, **uploaded})

    assert (described["status"], described["error"]) == ("FAILED", error)


def test_upload_to_a_bucket_without_versions_ends_in_a_recorded_failure(
    functions: Client, pipeline: Pipeline, source: SourceObject
) -> None:
    """Another upload could be analysed, or blurred, in its place; the failure says what to do."""
    s3, bucket = pipeline.cloud.client("s3"), "uploads-without-versions"
    s3.create_bucket(Bucket=bucket)
    s3.copy_object(Bucket=bucket, Key="plain.mp4", CopySource={"Bucket": BUCKET, "Key": source.key})

    described = ended(
        functions, pipeline, bucket, "plain.mp4", {"eTag": source.etag, "size": source.size_bytes}
    )

    assert (described["status"], described["error"]) == ("FAILED", "SourceNotVersioned")
    assert "put-bucket-versioning --bucket uploads-without-versions" in described["cause"]
    assert json.loads(pipeline.read("plain.mp4.manifest.json") or b"{}")["error"] == "SourceNotVersioned"


def test_event_without_a_version_is_blurred_by_the_one_that_s3_names(
    functions: Client, pipeline: Pipeline, source: SourceObject
) -> None:
    """Under the name that the same upload has by its version: it is one execution."""
    described = ended(functions, pipeline, BUCKET, quote_plus(source.key), {"eTag": source.etag})

    assert described["status"] == "SUCCEEDED"
    assert described["name"] == execution_name(source)


def test_names_in_the_app_are_those_in_the_configuration(pipeline: Pipeline) -> None:
    """Every function is configured once, and no other."""
    config = json.loads((pipeline.project / ".chalice" / "config.json").read_text(encoding="utf-8"))

    names = {function.name for function in app.pure_lambda_functions}
    names |= {event.name for event in app.event_sources}

    assert set(config["lambda_functions"]) == names


def test_upload_is_told_by_its_name(source: SourceObject) -> None:
    """People find the execution of their video by its name."""
    assert execution_name(replace(source, key="My Holiday.mp4")).startswith("My-Holiday-")
