"""The notifications of the input bucket: whom it tells of uploads, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.errors import BucketUnusable
from deploy.names import Names

SUFFIXES = (".mp4", ".MP4")
_FUNCTIONS = "LambdaFunctionConfigurations"
_CONFIGURATIONS = (_FUNCTIONS, "QueueConfigurations", "TopicConfigurations")


def told_functions(s3: Any, bucket: str) -> set[str]:
    """Return the ARNs of the functions that the bucket tells; none where there is no bucket."""
    return {one["LambdaFunctionArn"] for one in _read(s3, bucket).get(_FUNCTIONS, [])}


def require_room(s3: Any, names: Names) -> None:
    """Raise BucketUnusable where another's notification is about the same uploads: S3 takes one for each."""
    bucket = names.buckets["input"]
    for notification in _others(_read(s3, bucket), names):
        if _is_about_uploads(notification) and _is_about_videos(notification):
            raise BucketUnusable(
                f"s3://{bucket} tells somebody else of its videos (notification {notification.get('Id')}); S3"
                " tells one only: give that one another suffix, or let both listen to a topic."
            )


def silence(s3: Any, names: Names) -> None:
    """Take the stage's functions out of the input bucket's notifications; the others stay."""
    bucket = names.buckets["input"]
    configuration = _read(s3, bucket)
    told = configuration.get(_FUNCTIONS, [])
    kept = [one for one in told if not _is_ours(one, names)]
    if len(kept) < len(told):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={**configuration, _FUNCTIONS: kept}
        )


def _read(s3: Any, bucket: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return {}
    answer.pop("ResponseMetadata", None)
    return answer


def _others(configuration: dict[str, Any], names: Names) -> Iterator[dict[str, Any]]:
    for kind in _CONFIGURATIONS:
        yield from (one for one in configuration.get(kind, []) if not _is_ours(one, names))


def _is_ours(notification: dict[str, Any], names: Names) -> bool:
    return str(notification.get("LambdaFunctionArn", "")).startswith(names.function_arn(""))


def _is_about_uploads(notification: dict[str, Any]) -> bool:
    return any(event.startswith("s3:ObjectCreated:") for event in notification["Events"])


def _is_about_videos(notification: dict[str, Any]) -> bool:
    rules = notification.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    suffix = next((str(rule["Value"]) for rule in rules if rule["Name"].lower() == "suffix"), "")
    return any(ours.endswith(suffix) or suffix.endswith(ours) for ours in SUFFIXES)
