"""The three buckets: checks which ones the foundation stack makes, and deletes them on request only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.service_errors import error_code
from deploy.errors import BucketUnusable
from deploy.names import PARTS, Names

TLS_ONLY = "FaceBlurTlsOnly"
_FIRST_REGION = "us-east-1"  # S3 calls it by an empty name.
_SETTINGS = "in deploy/stages.yaml"


def parts_to_make(names: Names, made: Mapping[str, str], s3: Any) -> set[str]:
    """Return the parts whose bucket the foundation stack makes; `made` are the stack's current resources.

    Raise BucketUnusable for a bucket of another account, in another region, or named in the settings but
    missing, and for an input bucket without versioning.
    """
    own = own_buckets(s3)
    in_stack = {part for part in PARTS if made.get(f"{part.title()}Bucket") == names.buckets[part]}
    others = [part for part in PARTS if part not in in_stack]
    present = [part for part in others if names.buckets[part] in own]
    for part in present:
        _require_region(names, part, s3)
    if "input" in in_stack or "input" in present:
        _require_versions(names, s3)
    absent = [part for part in others if part not in present]
    for part in absent:
        _require_free(names, part, s3)
    return in_stack | set(absent)


def own_buckets(s3: Any) -> set[str]:
    """Return the account's buckets: others may answer too, and belong to somebody who collects videos."""
    return {one["Name"] for page in s3.get_paginator("list_buckets").paginate() for one in page["Buckets"]}


def _require_region(names: Names, part: str, s3: Any) -> None:
    bucket, wanted = names.buckets[part], names.account.region
    region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint") or _FIRST_REGION
    if region != wanted:
        raise BucketUnusable(
            f"The {part} bucket {bucket} is in {region}, not in {wanted}: Rekognition reads its own region"
            f" only. Name another as {part}_bucket {_SETTINGS}, or deploy to {region}."
        )


def _require_versions(names: Names, s3: Any) -> None:
    """Raise BucketUnusable where another upload could replace the one that was analysed."""
    bucket = names.buckets["input"]
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise BucketUnusable(
            f"The input bucket {bucket} keeps no versions: every upload would be refused. Turn them on:"
            f" aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )


def _require_free(names: Names, part: str, s3: Any) -> None:
    bucket = names.buckets[part]
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            if part not in names.settings.buckets:
                return
            raise BucketUnusable(
                f"There is no bucket {bucket}: make it, or leave {part}_bucket out {_SETTINGS}; then one is"
                " made."
            ) from error
    raise BucketUnusable(
        f"The bucket {bucket} belongs to another account: name another as {part}_bucket {_SETTINGS}."
    )


def require_tls(s3: Any, bucket: str, partition: str) -> bool:
    """Add the TLS-only statement to the bucket's policy; return whether it was missing."""
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
    """Remove the TLS-only statement from the bucket's policy; other statements are kept."""
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
        if error_code(error) not in {"NoSuchBucketPolicy", "NoSuchBucket"}:
            raise
        return {"Version": "2012-10-17", "Statement": []}
    statements = policy["Statement"]
    return {**policy, "Statement": statements if isinstance(statements, list) else [statements]}


def count_objects(s3: Any, bucket: str) -> int:
    """Return the number of object versions in the bucket."""
    return sum(1 for _ in _versions(s3, bucket))


def delete_bucket(s3: Any, bucket: str) -> int:
    """Delete the bucket with all object versions; return their number."""
    gone = empty(s3, bucket)
    s3.delete_bucket(Bucket=bucket)
    return gone


def empty(s3: Any, bucket: str, prefix: str = "") -> int:
    """Delete all object versions below `prefix`; return their number."""
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
