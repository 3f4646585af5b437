"""Reads the uploads in an event of S3, by whichever road, with the reason where one is ignored or refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.contract.errors import EmptyObject, InvalidDocument, ObjectTooLarge, PermanentError
from chalicelib.contract.fields import (
    count_field,
    list_field,
    optional_text_field,
    parse_object,
    require_object,
    shown,
    text_field,
)
from chalicelib.contract.job import MAX_SOURCE_BYTES
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.suffixes import MP4, suffix_of

_TEST_EVENT = "s3:TestEvent"
_SNS_TYPE = "Notification"
_EVENT_BRIDGE_SOURCE = "aws.s3"
_LEVELS_MAX = 3  # S3, or EventBridge, to SNS to SQS, with one to spare.
_SECONDS_CHARACTERS = len("2026-11-28T09:00:00")
# The version id of objects in a bucket without versioning, or with suspended versioning.
_NO_VERSION = ("", "null")
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclass(frozen=True)
class AnyEvent:
    """An unparsed event, and Lambda's context."""

    event: dict[str, Any]
    context: object


@dataclass(frozen=True)
class Ignored:
    """A record that is ignored, and the reason."""

    reason: str
    key: str | None = None


def read_records(event: Any, level: int = 0) -> list[Any]:
    """Return the records of an event that S3 sends itself, through SNS or SQS, or as an EventBridge event.

    A message of SNS or SQS that cannot be read is an InvalidDocument among the records: it costs the others
    nothing.
    The `s3:TestEvent` that S3 sends at setup has no records; raise InvalidDocument for any other event
    without records, because its uploads would be lost.
    """
    fields = require_object(event, "the event")
    if "detail-type" in fields:
        return [fields]
    if fields.get("Type") == _SNS_TYPE:
        return _unwrapped(fields, "Message", level)
    if "Records" not in fields and fields.get("Event") == _TEST_EVENT:
        return []
    if "Records" not in fields:
        raise InvalidDocument(
            f"the event is none of S3, SNS, SQS or EventBridge: its fields are {shown(list(fields))}"
        )
    found = [inner for record in list_field(fields, "Records") for inner in _records_in(record, level)]
    if not fields["Records"]:
        raise InvalidDocument("the event has a list of no records")
    return found


def _records_in(record: Any, level: int) -> list[Any]:
    """Return the records in one of Lambda's own: the many in one of SNS or SQS, or itself."""
    fields = record if isinstance(record, dict) else {}
    try:
        if fields.get("EventSource") == "aws:sns":
            return _unwrapped(require_object(fields.get("Sns"), "Sns"), "Message", level)
        if fields.get("eventSource") == "aws:sqs":
            return _unwrapped(fields, "body", level)
    except InvalidDocument as error:
        return [error]
    return [record]


def _unwrapped(fields: dict[str, Any], name: str, level: int) -> list[Any]:
    if level == _LEVELS_MAX:
        raise InvalidDocument(f"the event is wrapped more than {_LEVELS_MAX} times")
    return read_records(parse_object(text_field(fields, name), f"the event in {name}"), level + 1)


def read_record(record: Any, suffixes: Collection[str] = (MP4,)) -> SourceObject | Ignored:
    """Return the upload in a record, or the reason to ignore it; raise InvalidDocument.

    Of an upload, the key ends in one of `suffixes`, in any case of letters.
    """
    if isinstance(record, InvalidDocument):
        raise record
    fields = require_object(record, "a record")
    if "detail-type" in fields:
        return _read_event_bridge(fields, suffixes)
    s3 = require_object(fields.get("s3"), "s3")
    uploaded = require_object(s3.get("object"), "s3.object")
    encoded_key = text_field(uploaded, "key")
    try:
        key = unquote_plus(encoded_key, errors="strict")
    except UnicodeDecodeError as error:
        # Decoded otherwise, it would name another key.
        raise InvalidDocument(f"the key {shown(encoded_key)} is not UTF-8") from error
    reason = _reason_to_ignore(text_field(fields, "eventName"), "ObjectCreated:", key, suffixes)
    if reason:
        return Ignored(reason, key)
    return SourceObject(
        bucket=text_field(require_object(s3.get("bucket"), "s3.bucket"), "name"),
        key=key,
        version_id=_version(uploaded, "versionId"),
        etag=text_field(uploaded, "eTag"),
        sequencer=text_field(uploaded, "sequencer"),
        size_bytes=count_field(uploaded, "size"),
    )


def _read_event_bridge(fields: dict[str, Any], suffixes: Collection[str]) -> SourceObject | Ignored:
    """Return the upload in an event of EventBridge, whose keys are not URL-encoded."""
    kind = text_field(fields, "detail-type")
    if fields.get("source") != _EVENT_BRIDGE_SOURCE:
        raise InvalidDocument(f"the event {shown(kind)} is not of S3 but of {shown(fields.get('source'))}")
    detail = require_object(fields.get("detail"), "detail")
    uploaded = require_object(detail.get("object"), "detail.object")
    key = text_field(uploaded, "key")
    reason = _reason_to_ignore(kind, "Object Created", key, suffixes)
    if reason:
        return Ignored(reason, key)
    return SourceObject(
        bucket=text_field(require_object(detail.get("bucket"), "detail.bucket"), "name"),
        key=key,
        version_id=_version(uploaded, "version-id"),
        etag=text_field(uploaded, "etag"),
        sequencer=text_field(uploaded, "sequencer"),
        size_bytes=count_field(uploaded, "size"),
    )


def _version(uploaded: dict[str, Any], name: str) -> str | None:
    version_id = optional_text_field(uploaded, name)
    return None if version_id in _NO_VERSION else version_id


def uploaded_at(record: Any) -> str:
    """Return the second of the record's time in UTC, which each delivery of the event has, by any road."""
    fields = require_object(record, "a record")
    moment = text_field(fields, "time" if "detail-type" in fields else "eventTime")
    if not _EVENT_TIME.fullmatch(moment):
        raise InvalidDocument(f"the time of an event must be in UTC, not {shown(moment)}")
    return f"{moment[:_SECONDS_CHARACTERS]}Z"


def other_uploads(bucket: str, suffixes: Collection[str]) -> dict[str, Any]:
    """Return the pattern of EventBridge for uploads to `bucket` that S3's own event for .mp4 does not tell.

    S3's suffixes know case: .mp4 in other cases is among them, in the only three that there are.
    """
    capitals = [{"suffix": suffix} for suffix in (".MP4", ".Mp4", ".mP4")]
    others = [{"suffix": {"equals-ignore-case": suffix}} for suffix in suffixes]
    return {
        "source": [_EVENT_BRIDGE_SOURCE],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [*capitals, *others]}},
    }


def refusal(source: SourceObject) -> PermanentError | None:
    """Return the error of a `source` that can never be analysed, or None."""
    if source.size_bytes == 0:
        return EmptyObject(f"{source.uri} has no bytes: upload the video again.")
    if source.size_bytes > MAX_SOURCE_BYTES:
        return ObjectTooLarge(
            f"{source.uri} has {source.size_bytes} bytes; Rekognition accepts {MAX_SOURCE_BYTES}: cut it."
        )
    return None


def _reason_to_ignore(event_name: str, of_uploads: str, key: str, suffixes: Collection[str]) -> str | None:
    if not event_name.startswith(of_uploads):
        return f"{event_name} is not an upload"
    if key.endswith("/"):
        return "a directory, not an object"
    if suffix_of(key) not in suffixes:
        return f"the key does not end in {' or '.join(suffixes)}"
    return None
