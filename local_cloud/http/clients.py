"""boto3 clients of the local cloud: one per service, independent of the caller's AWS profile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from local_cloud.http.access_keys import OPERATOR, AccessKeys, Caller
from local_cloud.identity import REGION

_LONGEST_INVOCATION_S = 1000
_CONFIG = Config(
    max_pool_connections=50,
    read_timeout=_LONGEST_INVOCATION_S,
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path"},
    proxies={},
)


Clients = Callable[[str], Any]
# Making a client is not safe in two threads at once.
_MAKING = threading.Lock()


@cache
def _session() -> boto3.session.Session:
    # One for the process: each session reads the descriptions of services anew, a tenth of a second each.
    return boto3.session.Session()


def make_client(**options: Any) -> Any:
    """Return a new boto3 client; the options name its region, endpoint and keys."""
    with _MAKING:
        return _session().client(**options)


class CloudClients:
    """Makes and caches boto3 clients; each may be used by many threads."""

    def __init__(self, endpoint_url: str, keys: AccessKeys) -> None:
        self._keys = keys
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, Caller], Any] = {}

    def get(self, service: str, caller: Caller = OPERATOR) -> Any:
        """Return the shared client for `service` that signs as `caller`."""
        with self._lock:
            if (service, caller) not in self._clients:
                self._clients[service, caller] = self.make(service, caller)
            return self._clients[service, caller]

    def make(self, service: str, caller: Caller = OPERATOR) -> Any:
        """Return a new client that signs as `caller`; who asked closes it."""
        key = self._keys.issue(caller)
        return make_client(
            service_name=service,
            region_name=REGION,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=key.key_id,
            aws_secret_access_key=key.secret,
            aws_session_token=key.token or None,
            config=_CONFIG,
        )

    def close(self) -> None:
        """Close every shared client."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
