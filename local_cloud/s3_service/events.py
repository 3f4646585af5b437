"""Bucket events: which functions get them, the record in S3's format, and its delivery."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote_plus

from local_cloud.identity import ACCOUNT_ID, REGION
from local_cloud.s3_service.notifications import Notification


@dataclass(frozen=True)
class CreatedObject:
    """An object right after the request that created it."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    version_id: str | None


class BucketEvents:
    """The notification configurations of all buckets.

    `send` queues an event for the function with an ARN; each event is sent `deliveries` times.
    """

    def __init__(self, send: Callable[[str, bytes], None], deliveries: int) -> None:
        self._send = send
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._sequence = 0
        self._notifications: dict[str, list[Notification]] = {}

    def configure(self, bucket: str, notifications: list[Notification]) -> None:
        """Replace the notifications of `bucket`."""
        self._notifications[bucket] = notifications

    def configuration(self, bucket: str) -> list[Notification]:
        """Return the notifications of `bucket`."""
        return self._notifications.get(bucket, [])

    def forget(self, bucket: str) -> None:
        """Drop the notifications of a deleted bucket."""
        self._notifications.pop(bucket, None)

    def asked_for(self, bucket: str, key: str, event_name: str) -> list[Notification]:
        """Return the notifications of `bucket` that match the event and the key."""
        return [one for one in self.configuration(bucket) if one.matches(event_name, key)]

    def created(self, created: CreatedObject, event_name: str) -> None:
        """Send the event to each function that asked for it, `deliveries` times: S3 may deliver twice."""
        for notification in self.asked_for(created.bucket, created.key, event_name):
            with self._lock:
                self._sequence = max(self._sequence + 1, time.time_ns())
                sequencer = f"{self._sequence:018X}"
            record = _record(created, event_name, notification.id, sequencer)
            event = json.dumps({"Records": [record]}).encode()
            for _ in range(self._deliveries):
                self._send(notification.function_arn, event)


def _record(created: CreatedObject, event_name: str, notification_id: str, sequencer: str) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    version = {"versionId": created.version_id} if created.version_id else {}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": now,
        "eventName": event_name,
        "userIdentity": {"principalId": f"AWS:{ACCOUNT_ID}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": secrets.token_hex(8).upper(),
            "x-amz-id-2": secrets.token_urlsafe(48),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notification_id,
            "bucket": {
                "name": created.bucket,
                "ownerIdentity": {"principalId": ACCOUNT_ID},
                "arn": f"arn:aws:s3:::{created.bucket}",
            },
            "object": {
                "key": quote_plus(created.key, safe="/"),
                "size": created.size_bytes,
                "eTag": created.etag,
                **version,
                "sequencer": sequencer,
            },
        },
    }
