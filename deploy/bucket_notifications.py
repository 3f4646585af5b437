"""Notifications of the input bucket: the functions that get its events, and conflicts with others."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from deploy.errors import BucketUnusable
from deploy.names import Names

SUFFIX = ".mp4"
_FUNCTIONS = "LambdaFunctionConfigurations"
# Earlier versions had it for .MP4.
_REPLACED = "face-detection-capitals"
# S3 says that a bucket tells EventBridge about five minutes after it was set to.
_UNTIL_TOLD_S = 360.0
_BRIDGE = "EventBridgeConfiguration"
_CONFIGURATIONS = (_FUNCTIONS, "QueueConfigurations", "TopicConfigurations")


def notified_functions(s3: Any, bucket: str) -> set[str]:
    """Return the ARNs of the functions that the bucket notifies; none where there is no bucket."""
    return {one["LambdaFunctionArn"] for one in _read(s3, bucket).get(_FUNCTIONS, [])}


def tells_event_bridge(s3: Any, bucket: str) -> bool:
    """Return whether the bucket sends its events to EventBridge."""
    return _BRIDGE in _read(s3, bucket)


def tell_event_bridge(
    s3: Any, bucket: str, deployed: Collection[str], wait: Callable[[float], None] = time.sleep
) -> None:
    """Let the bucket send its events to EventBridge too; its other notifications are kept.

    Where the function that had S3's own events of capitals is still `deployed`, return once EventBridge has
    them: after that it may be deleted.
    """
    configuration = _read(s3, bucket)
    if _BRIDGE in configuration:
        return
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={**configuration, _BRIDGE: {}}
    )
    if _REPLACED in deployed:
        wait(_UNTIL_TOLD_S)


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
    return SUFFIX.endswith(suffix) or suffix.endswith(SUFFIX)
