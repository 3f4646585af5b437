"""Buckets of the user's own: what would stay in them for ever is said at `make deploy`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.lifecycles import lifecycle_notes
from local_cloud.cloud import LocalCloud

WEEK: dict[str, Any] = {
    "ID": "week",
    "Status": "Enabled",
    "Filter": {"Prefix": "executions/"},
    "Expiration": {"Days": 7},
}
OLD = {**WEEK, "ID": "old", "NoncurrentVersionExpiration": {"NoncurrentDays": 7}}
PARTS: dict[str, Any] = {
    "ID": "parts",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
EXPIRES, VERSIONS, ABORTS = "by which executions/ expires", "old ones expire", "aborts incomplete uploads"


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
        pytest.param([], "", [EXPIRES, ABORTS], id="none"),
        pytest.param([WEEK, PARTS], "", [], id="all"),
        pytest.param([{**WEEK, "Filter": {}}, PARTS], "", [], id="of-the-whole-bucket"),
        pytest.param([{**WEEK, "Status": "Disabled"}, PARTS], "", [EXPIRES], id="disabled"),
        pytest.param([{**WEEK, "Filter": {"Prefix": "logs/"}}, PARTS], "", [EXPIRES], id="elsewhere"),
        pytest.param([{**WEEK, "Filter": {"Prefix": "executions/a"}}, PARTS], "", [EXPIRES], id="of-some"),
        pytest.param(
            [{**WEEK, "Filter": {"Tag": {"Key": "a", "Value": "b"}}}, PARTS], "", [EXPIRES], id="tagged"
        ),
        pytest.param([WEEK, PARTS], "Enabled", [VERSIONS], id="versions"),
        pytest.param([WEEK, PARTS], "Suspended", [VERSIONS], id="suspended"),
        pytest.param([OLD, PARTS], "Enabled", [], id="versions-expire"),
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


def test_of_an_own_output_bucket_parts_count_only(s3: Any) -> None:
    """Blurred videos are meant to stay; uploads are the owner's."""
    name = bucket(s3, "output-own", [])

    (note,) = lifecycle_notes(s3, "output", name)

    assert ABORTS in note
    assert lifecycle_notes(s3, "input", name) == []


class Refusing:
    """S3, where nothing of a bucket may be read."""

    def get_bucket_versioning(self, **_: Any) -> Any:
        """Refuse."""
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetBucketVersioning")


def test_a_lifecycle_that_may_not_be_read_does_not_stop_the_deployment() -> None:
    """Rights to read it are not among those that a deployment needs."""
    (note,) = lifecycle_notes(Refusing(), "work", "mine")

    assert "may not be read" in note
