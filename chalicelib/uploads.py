"""What an S3 event says: the uploads in it, each pinned to its version, and why others are passed over."""

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
# What a bucket without versions, or one that keeps none any more, calls every object.
_NO_VERSION = ("", "null")
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclass(frozen=True)
class S3Notification:
    """What S3 sends, before anybody has looked into it."""

    event: dict[str, Any]
    context: object


@dataclass(frozen=True)
class Ignored:
    """A record that asks for nothing, and why."""

    reason: str
    key: str | None = None


def read_records(event: Any) -> list[Any]:
    """Return the records of an S3 event: none in the `s3:TestEvent` that S3 sends when it is set up.

    Any other event without them is refused: the uploads that it should tell of would be lost.
    """
    fields = require_object(event, "the event")
    if "Records" not in fields and fields.get("Event") == _TEST_EVENT:
        return []
    return list_field(fields, "Records")


def read_record(record: Any) -> SourceObject | Ignored:
    """Return the upload that one record reports, or why it is ignored; else raise InvalidDocument."""
    fields = require_object(record, "a record")
    s3 = require_object(fields.get("s3"), "s3")
    uploaded = require_object(s3.get("object"), "s3.object")
    key = _decoded(text_field(uploaded, "key"))
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
    """Return when S3 says that the upload ended, in UTC: the same for every delivery of its event."""
    moment = text_field(require_object(record, "a record"), "eventTime")
    if not _EVENT_TIME.fullmatch(moment):
        raise InvalidDocument(f"eventTime must be a time in UTC, not {shown(moment)}")
    return moment


def refusal(source: SourceObject) -> PermanentError | None:
    """Return why `source` can never be analysed, or None where it may be."""
    if source.size_bytes == 0:
        return EmptyObject(f"{source.uri} has no bytes: upload the video again.")
    if source.size_bytes > MAX_SOURCE_BYTES:
        return ObjectTooLarge(
            f"{source.uri} has {source.size_bytes} bytes, Rekognition takes {MAX_SOURCE_BYTES}: cut it."
        )
    return None


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        # Another key would be read in its place.
        raise InvalidDocument(f"the key {shown(key)} is not UTF-8") from error


def _reason_to_ignore(event_name: str, key: str) -> str | None:
    if not event_name.startswith("ObjectCreated:"):
        return f"{event_name} is not an upload"
    if key.endswith("/"):
        return "a directory, not an object"
    if not key.lower().endswith(_SUFFIX):
        return f"the key does not end in {_SUFFIX}"
    return None
