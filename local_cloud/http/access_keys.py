"""Access keys of one local cloud, new for each: which principals may call it, and in which role."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

from local_cloud.identity import FUNCTION_SECRET, FUNCTION_TOKEN, PERSON


@dataclass(frozen=True)
class AccessKey:
    """The id and the secret with which boto3 signs requests; the key of a session has a token too."""

    key_id: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Caller:
    """The owner of a key; `role_arn` is the role whose policies its calls need, empty for an operator.

    `service` is the AWS service that assumed the role, `source_arn` the resource for which it did.
    """

    principal: str
    role_arn: str = ""
    service: str = ""
    source_arn: str = ""

    @property
    def session_arn(self) -> str:
        """Return the ARN of the role's session, as in IAM's messages."""
        role = self.role_arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        return f"{role}/{self.principal}"


OPERATOR = Caller(PERSON)


class AccessKeys:
    """All keys issued so far; a caller always gets the same key. Safe to use from many threads."""

    def __init__(self) -> None:
        self._seed = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._issued: dict[str, tuple[Caller, AccessKey]] = {}

    def issue(self, caller: Caller) -> AccessKey:
        """Return the key of `caller`; that of a role is a session's, with a token, limited by policies."""
        digest = hmac.digest(self._seed, repr(caller).encode(), hashlib.sha256)
        letters = base64.b32encode(digest).decode().rstrip("=")
        # A secret or a token that leaked into a log is found there by its first words.
        kind, token = ("ASIA", f"{FUNCTION_TOKEN}-{letters[16:]}") if caller.role_arn else ("AKIA", "")
        key = AccessKey(f"{kind}{letters[:16]}", f"{FUNCTION_SECRET}-{letters[16:]}", token)
        self.add(key, caller)
        return key

    def add(self, key: AccessKey, caller: Caller = OPERATOR) -> None:
        """Accept requests signed with `key`, which a service of this cloud issued, as from `caller`."""
        with self._lock:
            self._issued[key.key_id] = (caller, key)

    def find(self, key_id: str) -> tuple[Caller, AccessKey] | None:
        """Return the caller and the key with this id; None for a key that was not issued here."""
        with self._lock:
            return self._issued.get(key_id)
