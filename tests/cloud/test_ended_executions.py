"""The end of an execution reaches the topic; where the topic refuses it, it is kept and not lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Failure, Job
from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud
from tests.clouds.deploy_commands import ACCOUNT, MACHINE, STAGE, Commands, bucket

TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:face-blur-{STAGE}"
LOST = f"face-blur-{STAGE}-lost-notifications"
PATIENCE_S = 600
CONDITION = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return an empty cloud."""
    with LocalCloud() as opened:
        yield opened


@pytest.fixture
def stage(cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> LocalCloud:
    """Return the cloud with a deployed stage, a subscriber of its topic."""
    ended = Commands(tmp_path, lambda: capsys.readouterr().out).run("up")
    assert ended.code == 0, ended.printed
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName="subscriber")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:subscriber"
    cloud.client("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
    return cloud


def end_execution(cloud: LocalCloud, name: str) -> str:
    """Start an execution of a video that was refused, which ends at once, and return its ARN."""
    source = SourceObject(bucket("input"), f"{name}.mp4", "v", "e", "1", 1)
    refused = DetectionProgress(DetectionStatus.REFUSED)
    job = Job(source, refused, failure=Failure("VideoUnusable", "It is no video."))
    started = cloud.client("stepfunctions").start_execution(
        stateMachineArn=MACHINE, name=name, input=json.dumps(job.to_json())
    )
    return str(started["executionArn"])


def received(cloud: LocalCloud, queue: str) -> dict[str, Any]:
    """Return the next message of a queue."""
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        answer = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])
        if answer.get("Messages"):
            message: dict[str, Any] = answer["Messages"][0]
            return message
        time.sleep(0.05)
    raise TimeoutError(f"{queue} received nothing")


def test_end_of_an_execution_is_told_by_the_topic(stage: LocalCloud) -> None:
    """The stage's topic lets EventBridge publish: no statement for it has a Condition."""
    arn = end_execution(stage, "told")

    told = json.loads(json.loads(received(stage, "subscriber")["Body"])["Message"])

    assert told["detail"] == {"executionArn": arn, "stateMachineArn": MACHINE, "status": "FAILED"}


def test_notification_that_the_topic_refuses_is_kept(stage: LocalCloud) -> None:
    """A Condition in the topic's policy refuses EventBridge; the event is in the rule's dead-letter queue."""
    sns = stage.client("sns")
    policy = json.loads(sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"])
    for statement in policy["Statement"]:
        statement["Condition"] = CONDITION
    sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=json.dumps(policy))

    arn = end_execution(stage, "refused")

    lost = received(stage, LOST)
    assert json.loads(lost["Body"])["detail"]["executionArn"] == arn
    assert lost["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert lost["MessageAttributes"]["TARGET_ARN"]["StringValue"] == TOPIC
