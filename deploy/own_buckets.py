"""Notes on the user's own buckets: objects that are never deleted, can be lost, or may be public."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.job import REVIEW_PREFIX, WORK_PREFIX
from chalicelib.contract.service_errors import error_code

# The prefixes that the functions write to; other objects are the owner's own.
_WRITTEN = {"work": (WORK_PREFIX, REVIEW_PREFIX), "output": ("",)}
_EXPIRY = (
    f"no rule by which {WORK_PREFIX} expires: where a video failed, who was seen when stays for ever."
    " Add one of 7 days."
)
_REVIEWS = (
    f"no rule by which {REVIEW_PREFIX} expires: where faces may be uncovered stays for ever. Add one of 90"
    " days."
)
_VERSIONS = (
    f"versions and no rule by which old ones of {WORK_PREFIX} and {REVIEW_PREFIX} expire: what is deleted"
    " there stays. Add one of 7 days for noncurrent versions."
)
_ONE_VERSION = (
    "no versions: whoever uploads under a key once more takes the video that was delivered away for good."
    " Enable versioning."
)
_OLD_OUTPUTS = (
    "versions and no rule by which old ones expire: replaced videos stay for ever. Add one of 30 days for"
    " noncurrent versions."
)
_OLD_UPLOADS = (
    "no rule by which old versions expire: deleted and replaced uploads stay for ever, faces uncovered. Add"
    " one of 30 days for noncurrent versions."
)
_PARTS = (
    "no rule that aborts incomplete uploads: parts of videos that broke off stay, unseen. Add one of a day."
)
_OPEN = "no whole Public Access Block: one policy or ACL could show it to everybody. Set all four."
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True)
class _Lifecycle:
    """The rules of a bucket that are on; versioning is Enabled, Suspended or an empty text."""

    rules: list[dict[str, Any]]
    versioning: str

    def has(self, action: str, *prefixes: str) -> bool:
        """Return whether a rule does that, some days later, with every object below each of `prefixes`."""
        doing = [rule for rule in self.rules if "Days" in str(rule.get(action, ""))]
        return all(any(_is_about(rule, prefix) for rule in doing) for prefix in prefixes)


def lifecycle_notes(s3: Any, part: str, bucket: str) -> list[str]:
    """Return a sentence for each missing lifecycle rule or setting of a user's own bucket."""
    try:
        found = _read(s3, bucket)
    except ClientError as error:
        if error_code(error) != "AccessDenied":
            raise
        return [f"s3://{bucket}: its lifecycle may not be read; docs/deploying.md says what it should do"]
    missing = _MISSING[part](found)
    if part in _WRITTEN and not found.has("AbortIncompleteMultipartUpload", *_WRITTEN[part]):
        missing.append(_PARTS)
    return [f"s3://{bucket} has {what}" for what in missing]


def exposure_notes(s3: Any, bucket: str) -> list[str]:
    """Return a sentence where the bucket does not block all public access by itself."""
    try:
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        code = error_code(error)
        if code == "AccessDenied":
            return [f"s3://{bucket}: its Public Access Block may not be read; all four settings should be on"]
        if code != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    return [] if all(block.get(name) for name in _BLOCKS) else [f"s3://{bucket} has {_OPEN}"]


def _missing_of_input(found: _Lifecycle) -> list[str]:
    return [] if found.has("NoncurrentVersionExpiration", "") else [_OLD_UPLOADS]


def _missing_of_work(found: _Lifecycle) -> list[str]:
    no_expiry = [] if found.has("Expiration", WORK_PREFIX) else [_EXPIRY]
    no_reviews = [] if found.has("Expiration", REVIEW_PREFIX) else [_REVIEWS]
    old_go = found.has("NoncurrentVersionExpiration", WORK_PREFIX, REVIEW_PREFIX)
    return [*no_expiry, *no_reviews, *([_VERSIONS] if found.versioning and not old_go else [])]


def _missing_of_output(found: _Lifecycle) -> list[str]:
    if found.versioning != "Enabled":
        return [_ONE_VERSION]
    return [] if found.has("NoncurrentVersionExpiration", "") else [_OLD_OUTPUTS]


_MISSING = {"input": _missing_of_input, "work": _missing_of_work, "output": _missing_of_output}


def _read(s3: Any, bucket: str) -> _Lifecycle:
    versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status", "")
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error_code(error) != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    return _Lifecycle([rule for rule in rules if rule["Status"] == "Enabled"], versioning)


def _is_about(rule: dict[str, Any], written: str) -> bool:
    """Return whether a rule matches every object whose key begins with `written`."""
    chosen = {**rule.get("Filter", {}), **rule.get("Filter", {}).get("And", {})}
    prefix = rule.get("Prefix") or chosen.get("Prefix") or ""
    is_whole = not chosen.keys() - {"Prefix", "And"}
    return is_whole and written.startswith(prefix)
