"""Uploads of every suffix in every case: EventBridge tells of them, and no two outputs have one key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contract.job import execution_name
from deploy.bucket_notifications import tell_event_bridge, tells_event_bridge
from local_cloud.cloud import LocalCloud
from local_cloud.project import local_names
from local_cloud.settings import CloudSettings
from tests.clips.portraits import make_portrait_clip, standing
from tests.clips.remuxed import remuxed
from tests.end_to_end.conftest import ROOT, Pipeline, Upload

NAMES = local_names()
PATIENCE_S = 300
# A key of a file system or camera each; S3 itself tells of the first.
CASES = ("a.mp4", "a.MP4", "a.Mp4", "a.mP4", "a.mov", "a.MOV", "a.MoV", "a.m4v", "a.M4V", "a.WebM", "a.3GP")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a deployed system whose events come twice, those of capitals by both roads."""
    with LocalCloud(CloudSettings(event_deliveries=2, retry_delays_s=(0.05,))) as cloud:
        cloud.deploy(ROOT)
        _tell_capitals_too(cloud)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a short video with a face."""
    return make_portrait_clip(tmp_path_factory.mktemp("clips") / "portrait.mp4", standing(0.5))


def _tell_capitals_too(cloud: LocalCloud) -> None:
    """Let S3 itself tell of .MP4, of which EventBridge tells as well."""
    s3, bucket = cloud.client("s3"), cloud.buckets.input
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    configuration.pop("ResponseMetadata")
    capitals = {
        "Id": "capitals",
        "LambdaFunctionArn": NAMES.function_arn("face-detection"),
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".MP4"}]}},
    }
    configuration["LambdaFunctionConfigurations"].append(capitals)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def executions(pipeline: Pipeline, uploads: list[Upload]) -> list[str]:
    """Return the executions of the uploads once none is missing and events have had time to start more."""
    names = {execution_name(upload.source) for upload in uploads}
    deadline_s = time.monotonic() + PATIENCE_S
    while not names <= set(pipeline.executions()) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    for upload in uploads:
        pipeline.wait(upload)
    return [name for name in pipeline.executions() if name in names]


def test_each_upload_has_an_output_of_its_own(pipeline: Pipeline, clip: Path) -> None:
    """An upload that is named like the output of clip.mov gets an output of another name."""
    keys = ("clip.mp4", "clip.mov", "CLIP.MP4", "clip.mov.mp4")
    uploads = [pipeline.put(clip, key) for key in keys]

    outcomes = [pipeline.wait(upload) for upload in uploads]

    assert [outcome.status for outcome in outcomes] == ["SUCCEEDED"] * 4
    assert [outcome.manifest["output"]["key"] for outcome in outcomes] == [
        "clip.mp4",
        "clip.mov.mp4",
        "CLIP.MP4",
        "clip.mov.mp4.mp4",
    ]
    assert [outcome.manifest["source"]["key"] for outcome in outcomes] == list(keys)


def test_container_that_rekognition_does_not_take_is_blurred(
    pipeline: Pipeline, clip: Path, tmp_path: Path
) -> None:
    """By the container's own detector; the output is MP4."""
    outcome = pipeline.blur(remuxed(clip, tmp_path / "clip.mkv"), "container/clip.mkv")

    assert (outcome.status, outcome.error) == ("SUCCEEDED", "")
    assert outcome.manifest["output"]["key"] == "container/clip.mkv.mp4"


def test_every_case_of_every_suffix_has_one_execution(pipeline: Pipeline) -> None:
    """Each event comes twice, and of .MP4 by both roads."""
    uploads = [pipeline.put(f"Dear Sir or Madam {key}".encode(), f"cases/{key}") for key in CASES]

    found = executions(pipeline, uploads)

    assert sorted(found) == sorted(execution_name(upload.source) for upload in uploads)


def test_other_objects_start_nothing(pipeline: Pipeline, clip: Path) -> None:
    """EventBridge is told of every object of the bucket; the rule asks for videos only."""
    before = len(pipeline.executions())
    for key in ("notes.txt", "clip.mov.txt", "mov", "clip.ogv"):
        pipeline.put(clip, f"others/{key}")
    last = pipeline.put(b"Dear Sir or Madam", "others/last.mp4")

    executions(pipeline, [last])

    assert len(pipeline.executions()) == before + 1


def test_telling_event_bridge_keeps_other_notifications(pipeline: Pipeline) -> None:
    """A bucket of the user's own has some for other suffixes."""
    s3, bucket = pipeline.cloud.client("s3"), pipeline.cloud.buckets.input
    before = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]

    tell_event_bridge(s3, bucket, ())

    assert tells_event_bridge(s3, bucket)
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"] == before
