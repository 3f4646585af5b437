"""The three buckets: made by the foundation stack, or used as they are; emptied only when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from deploy.errors import BucketUnusable
from deploy.names import PARTS, Names

TLS_ONLY = "FaceBlurTlsOnly"
_FIRST_REGION = "us-east-1"  # S3 calls it by an empty name.
_SETTINGS = "in deploy/stages.yaml"


def parts_to_make(names: Names, made: Mapping[str, str], s3: Any) -> set[str]:
    """Return the parts whose bucket the foundation stack makes; `made` are the stack's resources so far.

    Raise BucketUnusable for a bucket that is taken, in another region, or named and not there.
    """
    in_stack = {part for part in PARTS if made.get(f"{part.title()}Bucket") == names.buckets[part]}
    return in_stack | {part for part in PARTS if part not in in_stack and _is_absent(names, part, s3)}


def _is_absent(names: Names, part: str, s3: Any) -> bool:
    bucket, is_named = names.buckets[part], part in names.settings.buckets
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        return _judge_absence(error, bucket, part, is_named=is_named)
    region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint") or _FIRST_REGION
    if region != names.account.region:
        raise BucketUnusable(
            f"The {part} bucket {bucket} is in {region}, not in {names.account.region}: Rekognition reads its"
            f" own region only. Name another as {part}_bucket {_SETTINGS}, or deploy to {region}."
        )
    return False


def _judge_absence(error: ClientError, bucket: str, part: str, *, is_named: bool) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404 and not is_named:  # noqa: PLR2004 HEAD has no body, and so no code
        return True
    if status == 404:  # noqa: PLR2004 as above
        raise BucketUnusable(
            f"There is no bucket {bucket}: make it, or leave {part}_bucket out {_SETTINGS} and one is made."
        ) from error
    raise BucketUnusable(
        f"The bucket {bucket} belongs to somebody else, or you may not see it ({status}): name another as"
        f" {part}_bucket {_SETTINGS}."
    ) from error


def require_tls(s3: Any, bucket: str, partition: str) -> bool:
    """Add the TLS-only statement to the policy of a bucket of the user; return whether it was missing."""
    policy = _policy(s3, bucket)
    if any(one.get("Sid") == TLS_ONLY for one in policy["Statement"]):
        return False
    arn = f"arn:{partition}:s3:::{bucket}"
    statement = {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    merged = {**policy, "Statement": [*policy["Statement"], statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(merged))
    return True


def forget_tls(s3: Any, bucket: str) -> None:
    """Take the TLS-only statement out of the bucket's policy again; the other statements stay."""
    policy = _policy(s3, bucket)
    left = [one for one in policy["Statement"] if one.get("Sid") != TLS_ONLY]
    if len(left) == len(policy["Statement"]):
        return
    if left:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": left}))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


def _policy(s3: Any, bucket: str) -> dict[str, Any]:
    try:
        policy: dict[str, Any] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"NoSuchBucketPolicy", "NoSuchBucket"}:
            raise
        return {"Version": "2012-10-17", "Statement": []}
    statements = policy["Statement"]
    return {**policy, "Statement": statements if isinstance(statements, list) else [statements]}


def exists(s3: Any, bucket: str) -> bool:
    """Return whether there is a bucket of this name that the account may see."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def count_objects(s3: Any, bucket: str) -> int:
    """Return how many versions the bucket holds."""
    return sum(1 for _ in _versions(s3, bucket))


def delete_bucket(s3: Any, bucket: str) -> int:
    """Delete the bucket with every version in it; return how many there were."""
    gone = empty(s3, bucket)
    s3.delete_bucket(Bucket=bucket)
    return gone


def empty(s3: Any, bucket: str, prefix: str = "") -> int:
    """Delete every version under `prefix`; return how many there were."""
    gone = 0
    for version in _versions(s3, bucket, prefix):
        s3.delete_object(Bucket=bucket, **version)
        gone += 1
    return gone


def _versions(s3: Any, bucket: str, prefix: str = "") -> Iterator[dict[str, str]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": one["Key"], "VersionId": one["VersionId"]}
