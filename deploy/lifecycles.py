"""Lifecycles of the user's own buckets: what stays there for longer than in those that the stage makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.job import WORK_PREFIX

# What the functions write: all else in a bucket is its owner's business.
_WRITTEN = {"work": WORK_PREFIX, "output": ""}
_EXPIRY = (
    f"no rule by which {WORK_PREFIX} expires: where a video failed, who was seen when stays for ever."
    " Add one of 7 days."
)
_VERSIONS = (
    f"versions and no rule by which old ones expire: what is deleted from {WORK_PREFIX} stays. Add one of"
    " 7 days for noncurrent versions."
)
_PARTS = (
    "no rule that aborts incomplete uploads: parts of videos that broke off stay, unseen. Add one of a day."
)


@dataclass(frozen=True)
class _Lifecycle:
    """The rules that are about everything the functions write, and whether the bucket keeps versions."""

    rules: list[dict[str, Any]]
    is_versioned: bool

    def has(self, action: str) -> bool:
        """Return whether a rule does that, some days later."""
        return any("Days" in str(rule.get(action, "")) for rule in self.rules)


def lifecycle_notes(s3: Any, part: str, bucket: str) -> list[str]:
    """Return what the user should know of a bucket of his own, a sentence each; none where all is well."""
    if part not in _WRITTEN:
        return []
    try:
        found = _read(s3, bucket, _WRITTEN[part])
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return [f"s3://{bucket}: its lifecycle may not be read; docs/deploying.md says what it should do"]
    missing = [] if found.has("AbortIncompleteMultipartUpload") else [_PARTS]
    if part == "work" and found.is_versioned and not found.has("NoncurrentVersionExpiration"):
        missing.insert(0, _VERSIONS)
    if part == "work" and not found.has("Expiration"):
        missing.insert(0, _EXPIRY)
    return [f"s3://{bucket} has {what}" for what in missing]


def _read(s3: Any, bucket: str, written: str) -> _Lifecycle:
    is_versioned = "Status" in s3.get_bucket_versioning(Bucket=bucket)
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    return _Lifecycle([rule for rule in rules if _is_about(rule, written)], is_versioned)


def _is_about(rule: dict[str, Any], written: str) -> bool:
    """Return whether a rule holds for every object whose key begins with `written`."""
    chosen = {**rule.get("Filter", {}), **rule.get("Filter", {}).get("And", {})}
    prefix = rule.get("Prefix") or chosen.get("Prefix") or ""
    is_whole = not chosen.keys() - {"Prefix", "And"}
    return rule["Status"] == "Enabled" and is_whole and written.startswith(prefix)
