"""The policies of a stage follow its settings: a right for what is switched on, and none besides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.chalice_app import filled_policy
from deploy.names import Account, Names
from deploy.settings import StageSettings

POLICY = Path(__file__).parent.parent.parent.parent / ".chalice" / "policy-face-detection.json"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
COUNTING = {"CountUploads", "ListCountedUploads", "UseKeyToCount"}


@pytest.mark.parametrize(("per_hour", "counting"), [(0, set()), (20, COUNTING)])
def test_face_detection_may_count_uploads_where_they_are_limited(per_hour: int, counting: set[str]) -> None:
    """Without the right every upload of a limited stage would end in the dead-letter queue."""
    settings = StageSettings("dev", kms_key_arn=KEY, uploads_per_hour=per_hour)
    names = Names(settings, Account("123456789012", "us-east-1"))

    policy = filled_policy(POLICY.read_text(encoding="utf-8"), names, "face-detection")

    assert {statement["Sid"] for statement in policy["Statement"]} & COUNTING == counting


@pytest.mark.parametrize(("detection", "allowed"), [("both", 5), ("rekognition", 5), ("container", 0)])
def test_a_stage_that_never_calls_rekognition_may_not(detection: str, allowed: int) -> None:
    """Least privilege, and a proof that nothing is paid for by accident."""
    names = Names(StageSettings("dev", detection=detection), Account("123456789012", "us-east-1"))

    policies = [
        filled_policy(path.read_text(encoding="utf-8"), names, path.stem.removeprefix("policy-"))
        for path in sorted(POLICY.parent.glob("policy-*.json"))
    ]

    assert sum(json.dumps(policy).count('"rekognition:') for policy in policies) == allowed
