"""Bucket policies, kept and not enforced: moto would, without their conditions, and refuse every request."""

from __future__ import annotations

import json
import threading

from local_cloud.http.wsgi import Answer


class BucketPolicies:
    """The policy of each bucket as it was put."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[str, bytes] = {}

    def answer(self, method: str, bucket: str, body: bytes) -> Answer | None:
        """Return the answer to a request for the policy of a bucket that exists; None where it has none."""
        with self._lock:
            if method == "PUT":
                json.loads(body)
                self._policies[bucket] = body
                return Answer("204 No Content")
            if method == "DELETE":
                self._policies.pop(bucket, None)
                return Answer("204 No Content")
            policy = self._policies.get(bucket)
        return None if policy is None else Answer("200 OK", {"Content-Type": "application/json"}, policy)

    def forget(self, bucket: str) -> None:
        """Drop a deleted bucket's policy."""
        with self._lock:
            self._policies.pop(bucket, None)
