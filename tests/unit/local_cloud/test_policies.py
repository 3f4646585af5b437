"""IAM policies: decisions by statement, action, resource, principal and condition."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.access.policies import Decision, Policy, Request, UnsupportedPolicy, decide

OBJECT = "arn:aws:s3:::videos/a/b.mp4"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::videos/*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def policy(*statements: dict[str, Any]) -> Policy:
    """Return a policy of `statements`."""
    return Policy.parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def under(condition: dict[str, Any], **context: str) -> Decision:
    """Return the decision of one statement with `condition` in a context with `aws_x` as aws:x."""
    named = {key.replace("_", ":", 1).lower(): value for key, value in context.items()}
    return decide([policy({**READ, "Condition": condition})], Request("s3:GetObject", OBJECT, named))


def test_no_policy_allows_nothing() -> None:
    """The empty case: what nobody allows is not allowed."""
    assert decide([], Request("s3:GetObject", OBJECT)) is Decision.NOT_ALLOWED
    assert decide([policy()], Request("s3:GetObject", OBJECT)) is Decision.NOT_ALLOWED


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("s3:GetObject", OBJECT, Decision.ALLOWED),
        ("S3:getobject", OBJECT, Decision.ALLOWED),
        ("s3:GetObjectVersion", OBJECT, Decision.NOT_ALLOWED),
        ("s3:GetObject", "arn:aws:s3:::videos", Decision.NOT_ALLOWED),
        ("s3:GetObject", "arn:aws:s3:::Videos/a/b.mp4", Decision.NOT_ALLOWED),
        ("s3:GetObject", "arn:aws:s3:::videos/a\nb.mp4", Decision.ALLOWED),
    ],
)
def test_action_and_resource_must_both_match(action: str, resource: str, decision: Decision) -> None:
    """Actions are compared without case, resources with it; both wholly."""
    assert decide([policy(READ)], Request(action, resource)) is decision


@pytest.mark.parametrize(
    ("pattern", "resource", "decision"),
    [
        ("*", OBJECT, Decision.ALLOWED),
        ("arn:aws:s3:::videos/?/b.mp4", OBJECT, Decision.ALLOWED),
        ("arn:aws:s3:::videos/?.mp4", OBJECT, Decision.NOT_ALLOWED),
        ("arn:aws:s3:::videos/[a]/b.mp4", OBJECT, Decision.NOT_ALLOWED),
        ("arn:aws:s3:::videos/[a].mp4", "arn:aws:s3:::videos/[a].mp4", Decision.ALLOWED),
        ("arn:aws:s3:::a.b", "arn:aws:s3:::axb", Decision.NOT_ALLOWED),
    ],
)
def test_only_star_and_question_mark_are_wildcards(pattern: str, resource: str, decision: Decision) -> None:
    """Brackets and dots mean themselves."""
    assert decide([policy({**READ, "Resource": pattern})], Request("s3:GetObject", resource)) is decision


def test_one_denial_wins_over_every_permission() -> None:
    """A Deny counts in whichever policy it is."""
    denial = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}

    assert decide([policy(READ), policy(denial)], Request("s3:GetObject", OBJECT)) is Decision.DENIED


def test_excluded_actions_and_resources_are_not_meant() -> None:
    """NotAction and NotResource are about everything else."""
    fence = {"Effect": "Deny", "NotAction": "s3:GetObject", "NotResource": "arn:aws:s3:::videos/*"}
    every = {"Effect": "Allow", "Action": "*", "Resource": "*"}

    found = [
        decide([policy(every, fence)], Request(action, resource))
        for action in ("s3:GetObject", "s3:PutObject")
        for resource in (OBJECT, "arn:aws:s3:::else/x")
    ]

    assert found == [Decision.ALLOWED, Decision.ALLOWED, Decision.ALLOWED, Decision.DENIED]


@pytest.mark.parametrize(
    ("condition", "value", "decision"),
    [
        ({"StringEquals": {"aws:x": "1"}}, "1", Decision.ALLOWED),
        ({"StringEquals": {"AWS:X": ["2", "1"]}}, "1", Decision.ALLOWED),
        ({"StringEquals": {"aws:x": "1*"}}, "12", Decision.NOT_ALLOWED),
        ({"StringLike": {"aws:x": "1*"}}, "12", Decision.ALLOWED),
        ({"StringNotEquals": {"aws:x": ["1", "2"]}}, "2", Decision.NOT_ALLOWED),
        ({"StringNotEquals": {"aws:x": ["1", "2"]}}, "3", Decision.ALLOWED),
        ({"StringNotLike": {"aws:x": "1*"}}, "12", Decision.NOT_ALLOWED),
        ({"Bool": {"aws:x": "false"}}, "true", Decision.NOT_ALLOWED),
        ({"Bool": {"aws:x": False}}, "false", Decision.ALLOWED),
        ({"ArnLike": {"aws:x": "arn:aws:sns:*:1:t"}}, "arn:aws:sns:us:1:t", Decision.ALLOWED),
        ({"ArnEquals": {"aws:x": "arn:aws:sns:*:t"}}, "arn:aws:sns:us:1:t", Decision.NOT_ALLOWED),
        ({"ArnNotEquals": {"aws:x": "arn:aws:sns:us:1:t"}}, "arn:aws:sns:us:1:t", Decision.NOT_ALLOWED),
        ({"Null": {"aws:x": "true"}}, "1", Decision.NOT_ALLOWED),
        ({"StringEquals": {"aws:x": "1"}, "Bool": {"aws:y": "true"}}, "1", Decision.NOT_ALLOWED),
    ],
)
def test_condition_compares_the_keys_value(condition: dict[str, Any], value: str, decision: Decision) -> None:
    """Keys are compared without case; all operators must hold, and one of the values each."""
    assert under(condition, aws_x=value) is decision


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"StringEquals": {"aws:x": "1"}}, Decision.NOT_ALLOWED),
        ({"StringLike": {"aws:x": "*"}}, Decision.NOT_ALLOWED),
        ({"StringEqualsIfExists": {"aws:x": "1"}}, Decision.ALLOWED),
        ({"StringNotEquals": {"aws:x": "1"}}, Decision.ALLOWED),
        ({"Null": {"aws:x": "true"}}, Decision.ALLOWED),
        ({"Null": {"aws:x": "false"}}, Decision.NOT_ALLOWED),
    ],
)
def test_absent_key_holds_negated_conditions_only(condition: dict[str, Any], decision: Decision) -> None:
    """A false condition is no denial: the statement does not apply."""
    assert under(condition) is decision


@pytest.mark.parametrize(
    ("names", "decision"),
    [
        (frozenset({"lambda.amazonaws.com"}), Decision.ALLOWED),
        (frozenset({"states.amazonaws.com"}), Decision.NOT_ALLOWED),
        (frozenset(), Decision.NOT_ALLOWED),
    ],
)
def test_trust_policy_names_who_may_assume(names: frozenset[str], decision: Decision) -> None:
    """A statement with a principal is for that principal only."""
    assert decide([policy(TRUST)], Request("sts:AssumeRole", principals=names)) is decision


def test_star_is_every_principal() -> None:
    """Also inside AWS."""
    every = {**TRUST, "Principal": {"AWS": "*"}}

    assert decide([policy(every)], Request("sts:AssumeRole")) is Decision.ALLOWED


@pytest.mark.parametrize(
    "statement",
    [
        {**READ, "Resource": "arn:aws:s3:::${aws:username}/*"},
        {**READ, "Condition": {"NumericLessThan": {"aws:x": "1"}}},
        {**READ, "Condition": {"ForAllValues:StringEquals": {"aws:x": "1"}}},
        {"Effect": "Allow", "NotPrincipal": "*", "Action": "*", "Resource": "*"},
    ],
)
def test_what_is_not_known_is_refused(statement: dict[str, Any]) -> None:
    """Nothing in a policy is silently ignored."""
    with pytest.raises(UnsupportedPolicy, match="is not evaluated"):
        policy(statement)
