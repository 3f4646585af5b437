"""S3 objects: a reference to one, and an upload pinned to its version."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from chalicelib.contract.fields import count_field, optional_text_field, require_object, text_field


@dataclass(frozen=True)
class ObjectReference:
    """One S3 object."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """Return the object's s3:// URI."""
        return f"s3://{self.bucket}/{self.key}"

    def to_json(self) -> dict[str, Any]:
        """Return the reference as a JSON object."""
        return {"bucket": self.bucket, "key": self.key}

    @classmethod
    def from_json(cls, value: Any) -> ObjectReference:
        """Return the reference in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "an object reference")
        return cls(bucket=text_field(fields, "bucket"), key=text_field(fields, "key"))


@dataclass(frozen=True)
class SourceObject:
    """The uploaded object, pinned to one version.

    Without a `version_id` it is refused; `etag` and `sequencer` then name the execution that records it.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str
    sequencer: str
    size_bytes: int

    @property
    def identity(self) -> str:
        """Return 64 hex digits that are equal for every delivery of the same upload, and only then."""
        upload = [self.version_id] if self.version_id else [self.etag, self.sequencer]
        return hashlib.sha256(json.dumps([self.bucket, self.key, *upload]).encode()).hexdigest()

    @property
    def uri(self) -> str:
        """Return the object's s3:// URI."""
        return f"s3://{self.bucket}/{self.key}"

    def to_json(self) -> dict[str, Any]:
        """Return the source as a JSON object."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "version_id": self.version_id,
            "etag": self.etag,
            "sequencer": self.sequencer,
            "size_bytes": self.size_bytes,
        }

    @classmethod
    def from_json(cls, value: Any) -> SourceObject:
        """Return the source in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "source")
        return cls(
            bucket=text_field(fields, "bucket"),
            key=text_field(fields, "key"),
            version_id=optional_text_field(fields, "version_id"),
            etag=text_field(fields, "etag"),
            sequencer=text_field(fields, "sequencer"),
            size_bytes=count_field(fields, "size_bytes"),
        )
