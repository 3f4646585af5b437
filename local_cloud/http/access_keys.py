"""Access keys of one local cloud, made anew for each: who may call it, and by which name it knows them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

from local_cloud.identity import FUNCTION_SECRET, PERSON


@dataclass(frozen=True)
class AccessKey:
    """What signs requests, as boto3 takes it."""

    key_id: str
    secret: str


class AccessKeys:
    """The keys given so far; those of one principal are always the same."""

    def __init__(self) -> None:
        self._seed = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._given: dict[str, tuple[str, AccessKey]] = {}

    def of(self, principal: str) -> AccessKey:
        """Return the key of a person, a function by its name, or a part of the cloud."""
        digest = hmac.digest(self._seed, principal.encode(), hashlib.sha256)
        # A secret that reached a log is found there by its first words.
        key = AccessKey(f"AKIA{_letters(digest)[:16]}", f"{FUNCTION_SECRET}-{_letters(digest)[16:]}")
        self.add(key, principal)
        return key

    def add(self, key: AccessKey, principal: str = PERSON) -> None:
        """Let `key`, which a service of this cloud gave to somebody, sign as `principal`."""
        with self._lock:
            self._given[key.key_id] = (principal, key)

    def find(self, key_id: str) -> tuple[str, AccessKey] | None:
        """Return whose key this is, and the key with its secret; None for a key that was not given here."""
        with self._lock:
            return self._given.get(key_id)


def _letters(digest: bytes) -> str:
    return base64.b32encode(digest).decode().rstrip("=")
