"""EventBridge's delivery: which rule an event matches, and which policies let it through."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.eventbridge_service.delivery import (
    EndedExecution,
    UnsupportedRule,
    admits_rule,
    lets_eventbridge_publish,
    matches,
)

EVENT = EndedExecution("execution", "machine", "FAILED").event()
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": "topic",
}
SEND = {**STATEMENT, "Action": "sqs:SendMessage", "Resource": "queue"}


@pytest.mark.parametrize(
    ("pattern", "is_matched"),
    [
        ({}, True),
        ({"source": ["aws.states"], "detail": {"status": ["FAILED", "ABORTED"]}}, True),
        ({"source": ["aws.s3"]}, False),
        ({"detail": {"status": ["SUCCEEDED"]}}, False),
        ({"detail": {"unknown": ["FAILED"]}}, False),
    ],
)
def test_event_matches_a_value_of_each_field(pattern: dict[str, Any], *, is_matched: bool) -> None:
    """A field that the event has not matches nothing."""
    assert matches(pattern, EVENT) is is_matched


def test_pattern_with_an_operator_is_refused() -> None:
    """No part of a rule is ever skipped."""
    with pytest.raises(UnsupportedRule):
        matches({"detail": {"status": [{"prefix": "F"}]}}, EVENT)


@pytest.mark.parametrize(
    ("changed", "is_let"),
    [
        ({}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "rule"}}}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Resource": "another"}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_topic_is_published_to_by_a_statement_without_a_condition(
    changed: dict[str, Any], *, is_let: bool
) -> None:
    """EventBridge user guide: Condition blocks are not supported in a topic's policy."""
    assert lets_eventbridge_publish({"Statement": [{**STATEMENT, **changed}]}, "topic") is is_let


@pytest.mark.parametrize(
    ("changed", "is_admitted"),
    [
        ({}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "rule"}}}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "another"}}}, False),
        ({"Action": "sqs:ReceiveMessage"}, False),
    ],
)
def test_queue_admits_the_rule_that_its_condition_names(
    changed: dict[str, Any], *, is_admitted: bool
) -> None:
    """The policy of a dead-letter queue may name its rule."""
    assert admits_rule({"Statement": [{**SEND, **changed}]}, "queue", "rule") is is_admitted
