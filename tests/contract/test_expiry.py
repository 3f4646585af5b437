"""What is kept goes again: work objects, parts of uploads, logs; and rule and code mean the same keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contract.job import REVIEW_PREFIX, WORK_PREFIX, faces_key, segment_keys, work_folder
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.segments import SegmentKeys
from deploy.deployment import DEFINITIONS
from deploy.settings import StageSettings
from local_cloud.cloudformation_service.template import Template, parse_template
from tests.contract.test_templates import APP_FUNCTIONS, CONTAINER_FUNCTIONS, ROOT, of_kind

FOUNDATION = parse_template((ROOT / "statemachine" / "foundation.yaml").read_text(encoding="utf-8"))
PIPELINE = parse_template((ROOT / "statemachine" / "pipeline.yaml").read_text(encoding="utf-8"))
BUCKETS = ("InputBucket", "WorkBucket", "OutputBucket")
POLICIES = sorted((ROOT / ".chalice").glob("policy-*.json"))
LONGEST_KEPT_DAYS = 30


def rules(bucket: str) -> list[dict[str, Any]]:
    """Return the lifecycle rules of a bucket that are on."""
    found = FOUNDATION.resources[bucket].properties["LifecycleConfiguration"]["Rules"]
    return [rule for rule in found if rule["Status"] == "Enabled"]


def expiring(bucket: str) -> dict[str, Any]:
    """Return after how many days objects of a bucket expire, by prefix."""
    return {
        rule.get("Prefix", ""): rule["ExpirationInDays"]
        for rule in rules(bucket)
        if "ExpirationInDays" in rule
    }


def log_groups(*templates: Template) -> dict[str, int | None]:
    """Return for how many days each log group keeps its lines."""
    return {
        group["LogGroupName"]["Fn::Sub"]: group.get("RetentionInDays")
        for template in templates
        for group in of_kind(template, "AWS::Logs::LogGroup").values()
    }


def test_work_objects_expire_after_seven_days_and_videos_never() -> None:
    """Work objects expire with Rekognition's results, reviews as the stage says; videos never expire."""
    assert expiring("WorkBucket") == {WORK_PREFIX: 7, REVIEW_PREFIX: {"Ref": "ReviewDays"}}
    assert FOUNDATION.defaults["ReviewDays"] == str(StageSettings("dev").review_days) == "90"
    assert (expiring("InputBucket"), expiring("OutputBucket")) == ({}, {})
    assert not DEFINITIONS.startswith(WORK_PREFIX)


@pytest.mark.parametrize("bucket", ["InputBucket", "OutputBucket"])
def test_videos_that_were_replaced_or_deleted_go_after_a_month(bucket: str) -> None:
    """Nobody takes a video away for good by mistake, and nobody's face stays for ever where it was deleted.

    In a bucket with versions a deletion only adds a delete marker (S3 guide, "Deleting object versions").
    """
    versions = [rule["NoncurrentVersionExpiration"] for rule in rules(bucket) if "Noncurrent" in str(rule)]

    assert FOUNDATION.resources[bucket].properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert versions == [{"NoncurrentDays": 30}]
    assert any(rule.get("ExpiredObjectDeleteMarker") for rule in rules(bucket))


def test_deleted_work_objects_leave_no_version() -> None:
    """Versions of faces documents would outlive both their deletion and their expiry."""
    assert "VersioningConfiguration" not in FOUNDATION.resources["WorkBucket"].properties


@pytest.mark.parametrize("bucket", BUCKETS)
def test_parts_of_uploads_that_broke_off_go_after_a_day(bucket: str) -> None:
    """Incomplete multipart uploads, which no listing of objects shows, are aborted after a day."""
    aborting = [rule for rule in rules(bucket) if "AbortIncompleteMultipartUpload" in rule]

    assert [rule["AbortIncompleteMultipartUpload"] for rule in aborting] == [{"DaysAfterInitiation": 1}]
    assert "Prefix" not in aborting[0]


def test_every_log_of_functions_and_machine_has_an_end() -> None:
    """Every log group has a retention time, because logs contain keys of uploads."""
    kept = log_groups(FOUNDATION, PIPELINE)
    functions = {
        f"/aws/lambda/face-blur-${{Stage}}-{name}" for name in [*APP_FUNCTIONS, *CONTAINER_FUNCTIONS]
    }

    assert set(kept) == {*functions, "/aws/vendedlogs/states/face-blur-${Stage}"}
    assert all(days is not None and 0 < days <= LONGEST_KEPT_DAYS for days in kept.values())


@settings(deadline=None)
@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
    | st.sampled_from(["../../escape.mp4", "/root.mp4", "executions/../x.mp4", "." * 1024]),
    version=st.none() | st.text("abc.-_", min_size=1, max_size=40),
    number=st.integers(0, 99),
)
def test_every_work_object_lies_where_the_rule_reaches(key: str, version: str | None, number: int) -> None:
    """Every work key starts with the prefix of the expiry rule, whatever the upload's key is."""
    source = SourceObject("input", key, version, "etag", "1", 1)
    keys = segment_keys(source, "0123456789abcdef")
    written = [
        *(faces_key(source), keys.plan, keys.tracks(number), keys.report(number)),
        *(keys.video(number, "try"), keys.joined("try")),
    ]

    assert all(one.startswith((*expiring("WorkBucket"),)) for one in written)
    assert all(one.startswith(work_folder(source)) for one in written)
    assert all(".." not in one and one.isascii() and len(one) < 200 for one in written)
    assert SegmentKeys.beside(ObjectReference("work", keys.plan)) == keys


def test_no_function_may_write_to_the_work_bucket_where_the_rule_does_not_reach() -> None:
    """A key that was made in another way is refused by S3."""
    statements = [
        statement
        for role in of_kind(PIPELINE, "AWS::IAM::Role").values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    statements += [one for path in POLICIES for one in json.loads(path.read_text())["Statement"]]

    resources = [json.dumps(one["Resource"]) for one in statements if "s3:PutObject" in one.get("Action", [])]

    work = [text for text in resources if "WorkBucketName" in text or "WORK_BUCKET" in text]
    assert len(work) >= 4
    assert all(any(f"/{prefix}" in text for prefix in expiring("WorkBucket")) for text in work)
