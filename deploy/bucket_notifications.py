"""Notifications of the input bucket: the functions that get its events, and conflicts with others."""

from __future__ import annotations

from typing import Any

from deploy.errors import BucketUnusable
from deploy.names import Names

SUFFIXES = (".mp4", ".MP4")
_FUNCTIONS = "LambdaFunctionConfigurations"
_CONFIGURATIONS = (_FUNCTIONS, "QueueConfigurations", "TopicConfigurations")


def notified_functions(s3: Any, bucket: str) -> set[str]:
    """Return the ARNs of the functions that the bucket notifies; none where there is no bucket."""
    return {one["LambdaFunctionArn"] for one in _read(s3, bucket).get(_FUNCTIONS, [])}


def require_room(s3: Any, names: Names) -> None:
    """Raise BucketUnusable where another notification matches the same uploads: S3 allows one."""
    bucket = names.buckets["input"]
    configuration = _read(s3, bucket)
    every = (one for kind in _CONFIGURATIONS for one in configuration.get(kind, []))
    for notification in (one for one in every if not _is_ours(one, names)):
        if _matches_uploads(notification):
            raise BucketUnusable(
                f"s3://{bucket} already sends the events of its videos to another receiver (notification"
                f" {notification.get('Id')}), and S3 allows one: give that notification another suffix, or"
                " let both subscribe to a topic."
            )


def silence(s3: Any, names: Names) -> None:
    """Remove the stage's functions from the input bucket's notifications; others are kept."""
    bucket = names.buckets["input"]
    configuration = _read(s3, bucket)
    present = configuration.get(_FUNCTIONS, [])
    kept = [one for one in present if not _is_ours(one, names)]
    if len(kept) < len(present):
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


def _is_ours(notification: dict[str, Any], names: Names) -> bool:
    return str(notification.get("LambdaFunctionArn", "")).startswith(names.function_arn(""))


def _matches_uploads(notification: dict[str, Any]) -> bool:
    """Return whether the notification matches uploads of videos."""
    if not any(event.startswith("s3:ObjectCreated:") for event in notification["Events"]):
        return False
    rules = notification.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    suffix = next((str(rule["Value"]) for rule in rules if rule["Name"].lower() == "suffix"), "")
    return any(ours.endswith(suffix) or suffix.endswith(ours) for ours in SUFFIXES)
