"""Uploads that S3 tells of by other roads: SNS, SQS, EventBridge."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from local_cloud.cloud import LocalCloud
from local_cloud.project import local_names
from local_cloud.settings import CloudSettings
from tests.end_to_end.conftest import ROOT, Pipeline, Upload

FUNCTION = local_names().function("face-detection")
PATIENCE_S = 120


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a deployed system whose input bucket tells nobody of uploads itself."""
    with LocalCloud(CloudSettings(retry_delays_s=(0.05,))) as cloud:
        cloud.deploy(ROOT)
        cloud.client("s3").put_bucket_notification_configuration(
            Bucket=cloud.buckets.input, NotificationConfiguration={}
        )
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


def of_s3(upload: Upload) -> dict[str, Any]:
    """Return S3's own event of `upload`."""
    source = upload.source
    uploaded = {
        "key": quote_plus(source.key),
        "size": source.size_bytes,
        "eTag": source.etag,
        "versionId": source.version_id,
        "sequencer": "00A1",
    }
    s3 = {"bucket": {"name": source.bucket}, "object": uploaded}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}


def of_event_bridge(upload: Upload) -> dict[str, Any]:
    """Return EventBridge's event of `upload`."""
    source = upload.source
    uploaded = {
        "key": source.key,
        "size": source.size_bytes,
        "etag": source.etag,
        "version-id": source.version_id,
        "sequencer": "00A1",
    }
    detail = {"bucket": {"name": source.bucket}, "object": uploaded, "reason": "PutObject"}
    return {"detail-type": "Object Created", "source": "aws.s3", "detail": detail}


def in_queue(message: object) -> dict[str, Any]:
    """Return what Lambda reads from a queue."""
    return {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(message)}]}


def in_topic(message: object) -> dict[str, Any]:
    """Return what SNS hands to a function."""
    notification = {"Type": "Notification", "Message": json.dumps(message)}
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification}]}


def tell(pipeline: Pipeline, event: object) -> dict[str, Any]:
    """Return the answer of face-detection to `event`."""
    answer = pipeline.cloud.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    return told


def test_upload_that_every_road_tells_of_has_one_execution(pipeline: Pipeline) -> None:
    """The text is no video: the execution records that."""
    upload = pipeline.put(b"Dear Sir or Madam", "my clip+1.mp4")
    roads = [of_s3(upload), of_event_bridge(upload)]

    told = [tell(pipeline, event) for road in roads for event in (road, in_topic(road), in_queue(road))]

    name = upload.execution_arn.rpartition(":")[2]
    assert told == [{"records": 1, "executions": [name]}] * 6
    assert pipeline.executions().count(name) == 1
    assert pipeline.wait(upload).status == "FAILED"


def test_event_that_is_of_no_road_reaches_the_dead_letter_queue(pipeline: Pipeline) -> None:
    """A batch operation calls the function with tasks, and would wait for results."""
    batch = {"invocationSchemaVersion": "2.0", "tasks": [{"taskId": "t", "s3Key": "clip.mp4"}]}
    pipeline.cloud.client("lambda").invoke(
        FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(batch)
    )
    deadline_s = time.monotonic() + PATIENCE_S
    # The event is tried three times.
    while not pipeline.cloud.lost_events and time.monotonic() < deadline_s:
        time.sleep(0.1)

    assert len(pipeline.cloud.lost_events) == 1
