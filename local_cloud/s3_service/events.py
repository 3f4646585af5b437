"""Bucket events: which functions get them, in the formats of S3 and EventBridge, and their delivery."""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote_plus

from local_cloud.identity import ACCOUNT_ID, REGION
from local_cloud.s3_service.notifications import Configuration, Notification

_REASONS = {"Put": "PutObject", "Copy": "CopyObject", "Post": "POST Object"}


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

    `send` queues an event for the function with an ARN; each event is sent `deliveries` times. `targets`
    returns the ARNs that EventBridge's rules have for an event.
    """

    def __init__(
        self,
        send: Callable[[str, bytes], None],
        deliveries: int,
        targets: Callable[[dict[str, Any]], list[str]] = lambda _event: [],
    ) -> None:
        self._send = send
        self._deliveries = deliveries
        self._targets = targets
        self._lock = threading.Lock()
        self._sequence = 0
        self._configurations: dict[str, Configuration] = {}

    def configure(self, bucket: str, configuration: Configuration) -> None:
        """Replace the notifications of `bucket`."""
        self._configurations[bucket] = configuration

    def configuration(self, bucket: str) -> Configuration:
        """Return the notifications of `bucket`."""
        return self._configurations.get(bucket, Configuration())

    def forget(self, bucket: str) -> None:
        """Drop the notifications of a deleted bucket."""
        self._configurations.pop(bucket, None)

    def has_listeners(self, bucket: str, key: str, event_name: str) -> bool:
        """Return whether the event of the key is told to anybody."""
        tells_event_bridge = self.configuration(bucket).tells_event_bridge
        return tells_event_bridge or bool(self._asked_for(bucket, key, event_name))

    def created(self, created: CreatedObject, event_name: str) -> None:
        """Send the event to each function that asked for it, `deliveries` times: S3 may deliver twice."""
        now = datetime.now(timezone.utc)
        for notification in self._asked_for(created.bucket, created.key, event_name):
            record = _record(created, event_name, notification.id, self._sequencer(), now)
            self._send_all(notification.function_arn, {"Records": [record]})
        if self.configuration(created.bucket).tells_event_bridge:
            event = _bridge_event(created, event_name, self._sequencer(), now)
            for target in self._targets(event):
                self._send_all(target, event)

    def _asked_for(self, bucket: str, key: str, event_name: str) -> list[Notification]:
        return [one for one in self.configuration(bucket).notifications if one.matches(event_name, key)]

    def _sequencer(self) -> str:
        with self._lock:
            self._sequence = max(self._sequence + 1, time.time_ns())
            return f"{self._sequence:018X}"

    def _send_all(self, function_arn: str, event: dict[str, Any]) -> None:
        for _ in range(self._deliveries):
            self._send(function_arn, json.dumps(event).encode())


def _bridge_event(created: CreatedObject, event_name: str, sequencer: str, now: datetime) -> dict[str, Any]:
    """Return EventBridge's event, whose key is not URL-encoded."""
    kind = event_name.partition(":")[2]
    version = {"version-id": created.version_id} if created.version_id else {}
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT_ID,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:s3:::{created.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": created.bucket},
            "object": {
                "key": created.key,
                "size": created.size_bytes,
                "etag": created.etag,
                **version,
                "sequencer": sequencer,
            },
            "request-id": secrets.token_hex(8).upper(),
            "requester": ACCOUNT_ID,
            "source-ip-address": "127.0.0.1",
            "reason": _REASONS.get(kind, kind),
        },
    }


def _record(
    created: CreatedObject, event_name: str, notification_id: str, sequencer: str, now: datetime
) -> dict[str, Any]:
    version = {"versionId": created.version_id} if created.version_id else {}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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
