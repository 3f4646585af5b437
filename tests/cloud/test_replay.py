"""Replay: an event whose function failed for good is taken up again, once, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from deploy.dead_letters import replay
from local_cloud.cloud import LocalCloud
from local_cloud.project import local_names
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import ROOT, Pipeline, Upload

NAMES = local_names()
FUNCTION = NAMES.function("face-detection")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a deployed system whose input bucket tells nobody of uploads."""
    with LocalCloud() as cloud:
        cloud.deploy(ROOT)
        cloud.client("s3").put_bucket_notification_configuration(
            Bucket=cloud.buckets.input, NotificationConfiguration={}
        )
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def upload(pipeline: Pipeline, tmp_path: Path) -> Upload:
    """Return an upload that started nothing."""
    clip = make_portrait_clip(tmp_path / "clip.mp4", standing(0.2))
    return pipeline.put(clip, f"late {tmp_path.name}.mp4")


def bury(pipeline: Pipeline, body: object) -> None:
    """Put a message into the dead-letter queue."""
    sqs = pipeline.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=NAMES.dead_letter_queue)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))


def lost(upload: Upload, function: str = FUNCTION) -> dict[str, Any]:
    """Return what Lambda writes to the queue of an event that failed on every try."""
    source = upload.source
    described = {
        "key": quote_plus(source.key),
        "size": source.size_bytes,
        "eTag": source.etag,
        "versionId": source.version_id,
        "sequencer": "1",
    }
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": source.bucket}, "object": described},
    }
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}:$LATEST"
    return {"requestContext": {"functionArn": arn}, "requestPayload": {"Records": [record]}}


def run(pipeline: Pipeline) -> list[str]:
    """Replay; return the lines."""
    return list(replay(pipeline.cloud.client("sqs"), pipeline.cloud.client("lambda"), NAMES))


def test_a_lost_event_becomes_its_execution(pipeline: Pipeline, upload: Upload) -> None:
    """The video comes out, and the queue is empty."""
    bury(pipeline, lost(upload))

    lines = run(pipeline)

    assert lines == [f"replayed    {upload.source.uri.replace(' ', '+')}"]
    assert pipeline.wait(upload).status == "SUCCEEDED"
    assert run(pipeline) == []


def test_the_same_event_twice_is_one_execution(pipeline: Pipeline, upload: Upload) -> None:
    """Two lost deliveries of one event start one execution when replayed."""
    bury(pipeline, lost(upload))
    bury(pipeline, lost(upload))

    lines = run(pipeline)

    assert [line.split()[0] for line in lines] == ["replayed", "replayed"]
    assert pipeline.executions().count(upload.execution_arn.rpartition(":")[2]) == 1
    pipeline.wait(upload)


@pytest.mark.parametrize(
    "body",
    ["no JSON", "[]", "{}", '{"requestContext": {"functionArn": "arn"}, "requestPayload": {}}'],
)
def test_what_is_no_event_of_the_app_is_left_and_named(pipeline: Pipeline, body: str) -> None:
    """Somebody else's message: it stays, and can be looked at again."""
    bury(pipeline, body)

    lines = [run(pipeline), run(pipeline)]

    assert [[line.split()[0] for line in one] for one in lines] == [["left"], ["left"]]
    assert lines[0][0].endswith("it is no event of this app")
    empty(pipeline)


def test_an_event_that_fails_again_is_left_with_its_error(pipeline: Pipeline, upload: Upload) -> None:
    """A replayed event that fails again stays in the queue, and its error is printed."""
    event = lost(upload)
    event["requestPayload"]["Records"][0]["s3"]["object"]["size"] = "many"
    bury(pipeline, event)

    lines = run(pipeline)

    assert len(lines) == 1
    assert lines[0].startswith("left        s3://")
    assert "InvalidDocument" in lines[0]
    empty(pipeline)


def empty(pipeline: Pipeline) -> None:
    """Take away the one message that is left in the queue."""
    sqs = pipeline.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=NAMES.dead_letter_queue)["QueueUrl"]
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
