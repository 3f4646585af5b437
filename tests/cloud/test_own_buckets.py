"""Buckets of the user's own: what stays, can be lost or be seen by all is said at `make deploy`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.own_buckets import exposure_notes, lifecycle_notes
from local_cloud.cloud import LocalCloud

WEEK: dict[str, Any] = {
    "ID": "week",
    "Status": "Enabled",
    "Filter": {"Prefix": "executions/"},
    "Expiration": {"Days": 7},
}
OLD = {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 7}}
REVIEWS = {**WEEK, "ID": "reviews", "Filter": {"Prefix": "review/"}, "Expiration": {"Days": 30}}
PARTS: dict[str, Any] = {
    "ID": "parts",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
EXPIRES, VERSIONS, ABORTS = "by which executions/ expires", "old ones", "aborts incomplete uploads"
REVIEWED, ONE_VERSION, OPEN = "by which review/ expires", "has no versions", "Public Access Block"
CLOSED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Return the client of a cloud."""
    with LocalCloud() as cloud:
        yield cloud.client("s3")


def bucket(s3: Any, name: str, rules: list[dict[str, Any]], versions: str = "") -> str:
    """Make a bucket with these rules; return its name."""
    s3.create_bucket(Bucket=name)
    if rules:
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if versions:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versions})
    return name


@pytest.mark.parametrize(
    ("rules", "versions", "said"),
    [
        pytest.param([], "", [EXPIRES, REVIEWED, ABORTS], id="none"),
        pytest.param([WEEK, REVIEWS, PARTS], "", [], id="all"),
        pytest.param([{**WEEK, "Filter": {}}, PARTS], "", [], id="of-the-whole-bucket"),
        pytest.param([{**WEEK, "Status": "Disabled"}, REVIEWS, PARTS], "", [EXPIRES], id="disabled"),
        pytest.param(
            [{**WEEK, "Filter": {"Prefix": "logs/"}}, REVIEWS, PARTS], "", [EXPIRES], id="elsewhere"
        ),
        pytest.param(
            [WEEK, {**REVIEWS, "Filter": {"Prefix": "review/a"}}, PARTS], "", [REVIEWED], id="of-some"
        ),
        pytest.param(
            [{**WEEK, "Filter": {"Tag": {"Key": "a", "Value": "b"}}}, REVIEWS, PARTS],
            "",
            [EXPIRES],
            id="tagged",
        ),
        pytest.param([WEEK, REVIEWS, PARTS], "Enabled", [VERSIONS], id="versions"),
        pytest.param([WEEK, REVIEWS, PARTS], "Suspended", [VERSIONS], id="suspended"),
        pytest.param([WEEK, REVIEWS, OLD, PARTS], "Enabled", [], id="versions-expire"),
    ],
)
def test_what_stays_in_an_own_work_bucket_is_said(
    s3: Any, request: pytest.FixtureRequest, rules: list[dict[str, Any]], versions: str, said: list[str]
) -> None:
    """Rules that are off, about other objects or about some of them only do not count."""
    name = bucket(s3, f"work-{request.node.callspec.id}", rules, versions)

    notes = lifecycle_notes(s3, "work", name)

    assert [any(words in note for note in notes) for words in said] == [True] * len(said)
    assert len(notes) == len(said)


@pytest.mark.parametrize(
    ("rules", "versions", "said"),
    [
        pytest.param([], "", [ONE_VERSION, ABORTS], id="none"),
        pytest.param([PARTS], "Suspended", [ONE_VERSION], id="suspended"),
        pytest.param([PARTS], "Enabled", [VERSIONS], id="for-ever"),
        pytest.param([PARTS, OLD], "Enabled", [], id="all"),
    ],
)
def test_what_can_be_lost_in_an_own_output_bucket_is_said(
    s3: Any, request: pytest.FixtureRequest, rules: list[dict[str, Any]], versions: str, said: list[str]
) -> None:
    """Blurred videos are meant to stay, one that is replaced for a while."""
    name = bucket(s3, f"output-{request.node.callspec.id}", rules, versions)

    notes = lifecycle_notes(s3, "output", name)

    assert [any(words in note for note in notes) for words in said] == [True] * len(said)
    assert len(notes) == len(said)


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        pytest.param([], 1, id="none"),
        pytest.param([PARTS], 1, id="parts-only"),
        pytest.param([{**OLD, "Filter": {"Prefix": "old/"}}], 1, id="of-some"),
        pytest.param([OLD], 0, id="all"),
    ],
)
def test_deleted_uploads_that_stay_in_an_own_input_bucket_are_said(
    s3: Any, request: pytest.FixtureRequest, rules: list[dict[str, Any]], count: int
) -> None:
    """Uncovered faces stay in old versions, where nobody sees them any more; the rest is their owner's."""
    name = bucket(s3, f"input-{request.node.callspec.id}", rules, "Enabled")

    notes = lifecycle_notes(s3, "input", name)

    assert [("deleted and replaced uploads stay for ever" in note) for note in notes] == [True] * count


@pytest.mark.parametrize(
    ("block", "is_said"),
    [
        pytest.param({"BlockPublicAcls": True}, True, id="one"),
        pytest.param({**CLOSED, "BlockPublicPolicy": False}, True, id="three"),
        pytest.param(CLOSED, False, id="four"),
    ],
)
def test_own_bucket_that_could_be_shown_to_everybody_is_said(
    s3: Any, block: dict[str, bool], *, is_said: bool
) -> None:
    """Four settings close it: of old policies and ACLs, and of new ones."""
    name = bucket(s3, f"open-{len(block)}-{is_said}".lower(), [])
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)

    notes = exposure_notes(s3, name)

    assert [OPEN in note for note in notes] == [True] * is_said


def test_public_access_block_that_was_never_set_is_said(s3: Any) -> None:
    """S3 answers with an error of its own then."""
    (note,) = exposure_notes(s3, bucket(s3, "never-blocked", []))

    assert OPEN in note


class Refusing:
    """S3, where nothing of a bucket may be read."""

    def get_bucket_versioning(self, **_: Any) -> Any:
        """Refuse."""
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetBucketVersioning")

    def get_public_access_block(self, **_: Any) -> Any:
        """Refuse."""
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetPublicAccessBlock")


def test_a_lifecycle_that_may_not_be_read_does_not_stop_the_deployment() -> None:
    """Rights to read it are not among those that a deployment needs."""
    (note,) = lifecycle_notes(Refusing(), "work", "mine")

    assert "may not be read" in note


def test_a_public_access_block_that_may_not_be_read_does_not_stop_the_deployment() -> None:
    """Without permission to read the bucket's public access block the deployment goes on with a warning."""
    (note,) = exposure_notes(Refusing(), "mine")

    assert "may not be read" in note
