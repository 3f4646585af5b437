"""Reads the uploads in an S3 event, and gives the reason where a record is ignored or refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.contract.errors import EmptyObject, InvalidDocument, ObjectTooLarge, PermanentError
from chalicelib.contract.fields import (
    count_field,
    list_field,
    optional_text_field,
    require_object,
    shown,
    text_field,
)
from chalicelib.contract.job import MAX_SOURCE_BYTES
from chalicelib.contract.objects import SourceObject

_SUFFIX = ".mp4"
_TEST_EVENT = "s3:TestEvent"
# The version id of objects in a bucket without versioning, or with suspended versioning.
_NO_VERSION = ("", "null")
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclass(frozen=True)
class S3Notification:
    """An unparsed S3 event, and Lambda's context."""

    event: dict[str, Any]
    context: object


@dataclass(frozen=True)
class Ignored:
    """A record that is ignored, and the reason."""

    reason: str
    key: str | None = None


def read_records(event: Any) -> list[Any]:
    """Return the records of an S3 event; the `s3:TestEvent` that S3 sends at setup has none.

    Raise InvalidDocument for any other event without records: its uploads would be lost.
    """
    fields = require_object(event, "the event")
    if "Records" not in fields and fields.get("Event") == _TEST_EVENT:
        return []
    return list_field(fields, "Records")


def read_record(record: Any) -> SourceObject | Ignored:
    """Return the upload in a record, or the reason to ignore it; raise InvalidDocument."""
    fields = require_object(record, "a record")
    s3 = require_object(fields.get("s3"), "s3")
    uploaded = require_object(s3.get("object"), "s3.object")
    encoded_key = text_field(uploaded, "key")
    try:
        key = unquote_plus(encoded_key, errors="strict")
    except UnicodeDecodeError as error:
        # Decoded otherwise, it would name another key.
        raise InvalidDocument(f"the key {shown(encoded_key)} is not UTF-8") from error
    reason = _reason_to_ignore(text_field(fields, "eventName"), key)
    if reason:
        return Ignored(reason, key)
    version_id = optional_text_field(uploaded, "versionId")
    return SourceObject(
        bucket=text_field(require_object(s3.get("bucket"), "s3.bucket"), "name"),
        key=key,
        version_id=None if version_id in _NO_VERSION else version_id,
        etag=text_field(uploaded, "eTag"),
        sequencer=text_field(uploaded, "sequencer"),
        size_bytes=count_field(uploaded, "size"),
    )


def uploaded_at(record: Any) -> str:
    """Return the record's time in UTC, as S3 wrote it: each delivery of the event has the same."""
    moment = text_field(require_object(record, "a record"), "eventTime")
    if not _EVENT_TIME.fullmatch(moment):
        raise InvalidDocument(f"eventTime must be a time in UTC, not {shown(moment)}")
    return moment


def refusal(source: SourceObject) -> PermanentError | None:
    """Return the error of a `source` that can never be analysed, or None."""
    if source.size_bytes == 0:
        return EmptyObject(f"{source.uri} has no bytes: upload the video again.")
    if source.size_bytes > MAX_SOURCE_BYTES:
        return ObjectTooLarge(
            f"{source.uri} has {source.size_bytes} bytes; Rekognition accepts {MAX_SOURCE_BYTES}: cut it."
        )
    return None


def _reason_to_ignore(event_name: str, key: str) -> str | None:
    if not event_name.startswith("ObjectCreated:"):
        return f"{event_name} is not an upload"
    if key.endswith("/"):
        return "a directory, not an object"
    if not key.lower().endswith(_SUFFIX):
        return f"the key does not end in {_SUFFIX}"
    return None
