"""Access keys of one local cloud, new for each: which principals may call it."""

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
    """The id and the secret with which boto3 signs requests."""

    key_id: str
    secret: str


class AccessKeys:
    """All keys issued so far; a principal always gets the same key. Safe to use from many threads."""

    def __init__(self) -> None:
        self._seed = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._issued: dict[str, tuple[str, AccessKey]] = {}

    def of(self, principal: str) -> AccessKey:
        """Return the key of a person, a function by its name, or a part of the cloud."""
        digest = hmac.digest(self._seed, principal.encode(), hashlib.sha256)
        letters = base64.b32encode(digest).decode().rstrip("=")
        # A secret that leaked into a log is found there by its first words.
        key = AccessKey(f"AKIA{letters[:16]}", f"{FUNCTION_SECRET}-{letters[16:]}")
        self.add(key, principal)
        return key

    def add(self, key: AccessKey, principal: str = PERSON) -> None:
        """Accept requests signed with `key`, which a service of this cloud issued, as from `principal`."""
        with self._lock:
            self._issued[key.key_id] = (principal, key)

    def find(self, key_id: str) -> tuple[str, AccessKey] | None:
        """Return the principal and the key with this id; None for a key that was not issued here."""
        with self._lock:
            return self._issued.get(key_id)
