"""Delivers the end of each execution to the SNS topics of matching rules, or to their dead-letter queues.

moto stores rules and policies, and delivers to no topic.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.http.clients import Clients
from local_cloud.identity import ACCOUNT_ID, REGION

_log = logging.getLogger(__name__)
_SERVICE = "events.amazonaws.com"


@dataclass(frozen=True)
class EndedExecution:
    """An execution of a state machine that ended with `status`."""

    arn: str
    machine_arn: str
    status: str

    def event(self) -> dict[str, Any]:
        """Return the event that Step Functions sends of it."""
        detail = {"executionArn": self.arn, "stateMachineArn": self.machine_arn, "status": self.status}
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "account": ACCOUNT_ID,
            "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [self.arn],
            "detail": detail,
        }


class UnsupportedRule(Exception):
    """The rule has a pattern or a target that the local cloud does not implement."""


class EventBridge:
    """Delivers in one thread of its own, which `close` waits for."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._thread = ThreadPoolExecutor(1, "eventbridge")

    def execution_ended(self, ended: EndedExecution) -> None:
        """Queue the event of `ended`; after `close` nobody is told any more."""
        # A closed executor raises RuntimeError.
        with suppress(RuntimeError):
            self._thread.submit(self._deliver, ended)

    def close(self) -> None:
        """Deliver what is queued, and end the thread."""
        self._thread.shutdown()

    def _deliver(self, ended: EndedExecution) -> None:
        try:
            event, events = ended.event(), self._clients("events")
            for rule in events.list_rules()["Rules"]:
                if "EventPattern" in rule and matches(json.loads(rule["EventPattern"]), event):
                    for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                        self._send(event, rule["Arn"], target)
        except (ClientError, BotoCoreError, UnsupportedRule):
            _log.exception("the end of %s was not delivered", ended.arn)

    def _send(self, event: Mapping[str, Any], rule_arn: str, target: Mapping[str, Any]) -> None:
        topic = target["Arn"]
        if ":sns:" not in topic:
            raise UnsupportedRule(f"{rule_arn}: the local cloud delivers to SNS topics, not to {topic}")
        policy = self._clients("sns").get_topic_attributes(TopicArn=topic)["Attributes"].get("Policy", "{}")
        if lets_eventbridge_publish(json.loads(policy), topic):
            self._clients("sns").publish(TopicArn=topic, Message=json.dumps(event))
            return
        queue = target.get("DeadLetterConfig", {}).get("Arn", "")
        if queue:
            self._keep(event, queue, {"RULE_ARN": rule_arn, "TARGET_ARN": topic})

    def _keep(self, event: Mapping[str, Any], queue_arn: str, names: Mapping[str, str]) -> None:
        """Send the event to the dead-letter queue if its policy admits this rule."""
        sqs = self._clients("sqs")
        url = sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        policy = json.loads(attributes.get("Policy") or "{}")
        if not admits_rule(policy, queue_arn, names["RULE_ARN"]):
            return
        described = {**names, "ERROR_CODE": "NO_PERMISSIONS"}
        sqs.send_message(
            QueueUrl=url,
            MessageBody=json.dumps(event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in described.items()
            },
        )


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether an event has, in each field of the pattern, one of the listed values."""
    for name, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not matches(wanted, event.get(name, {})):
                return False
            continue
        if any(isinstance(one, dict) for one in wanted):
            raise UnsupportedRule(f"the local cloud compares plain values only, not {wanted}")
        if event.get(name) not in wanted:
            return False
    return True


def lets_eventbridge_publish(policy: Mapping[str, Any], topic_arn: str) -> bool:
    """Return whether a topic's policy lets EventBridge publish: a statement with a Condition never does.

    EventBridge user guide, "Using resource-based policies for Amazon EventBridge", Amazon SNS permissions.
    """
    granted = _granted(policy, "sns:Publish", topic_arn)
    return any("Condition" not in statement for statement in granted)


def admits_rule(policy: Mapping[str, Any], queue_arn: str, rule_arn: str) -> bool:
    """Return whether a queue's policy lets this rule send: aws:SourceArn is its condition, if it has one."""
    wanted = {"ArnEquals": {"aws:SourceArn": rule_arn}}
    granted = _granted(policy, "sqs:SendMessage", queue_arn)
    return any(statement.get("Condition", wanted) == wanted for statement in granted)


def _granted(policy: Mapping[str, Any], action: str, resource: str) -> list[Mapping[str, Any]]:
    """Return the statements that allow EventBridge `action` on `resource`, whatever their conditions."""
    return [
        statement
        for statement in policy.get("Statement", [])
        if statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": _SERVICE}
        and action in statement["Action"]
        and statement["Resource"] == resource
    ]
