"""The upload in S3: pins it to one version, and reads ranges of that version."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import SourceChanged, SourceNotVersioned, StorageUnavailable
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.service_errors import error_code, storage_error

# S3's codes for an object that is missing or changed; the functions that read uploads may list them.
_GONE = {
    *("404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"),
    *("412", "PreconditionFailed", "416", "InvalidRange"),
}
_NO_VERSION = "null"


def pinned(source: SourceObject, s3: Any) -> SourceObject:
    """Return `source` with its version; raise SourceNotVersioned where it has none.

    Where the event names no version, S3 is asked for the current object of the key. If that has the same ETag
    and a version, the version has the bytes of the upload and cannot change.
    """
    if source.version_id:
        return source
    etag = f'"{source.etag}"'  # Events omit its quotes.
    try:
        found = s3.head_object(Bucket=source.bucket, Key=source.key, IfMatch=etag)
    except (ClientError, BotoCoreError) as error:
        if error_code(error) not in _GONE:
            raise storage_error(f"reading the version of {source.uri}: {error}", error) from error
        raise _not_versioned(source, "and the object of the event is no longer there") from error
    version_id = found.get("VersionId") or _NO_VERSION
    if version_id == _NO_VERSION or found.get("ETag") != etag:
        raise _not_versioned(source, "and S3 has none: another upload could replace it at any time")
    return replace(source, version_id=str(version_id), size_bytes=int(found["ContentLength"]))


def _not_versioned(source: SourceObject, reason: str) -> SourceNotVersioned:
    return SourceNotVersioned(
        f"The event for {source.uri} names no version, {reason}. Turn versioning on, and upload again:"
        f" aws s3api put-bucket-versioning --bucket {source.bucket} --versioning-configuration Status=Enabled"
    )


class SourceRanges:
    """Reads ranges of the pinned version of `source`."""

    def __init__(self, source: SourceObject, s3: Any) -> None:
        self._source, self._s3 = source, s3
        self._request = {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}

    def read(self, begin: int, end: int) -> bytes:
        """Return bytes [begin, end); raise SourceChanged where that version no longer exists."""
        uri, expected = self._source.uri, f"bytes {begin}-{end - 1}/{self._source.size_bytes}"
        try:
            answer = self._s3.get_object(**self._request, Range=f"bytes={begin}-{end - 1}")
        except (ClientError, BotoCoreError) as error:
            if error_code(error) in _GONE:
                raise SourceChanged(f"{uri} is gone: {error}") from error
            raise storage_error(f"reading {uri}: {error}", error) from error
        with closing(answer["Body"]) as body:
            # Any other range may be the whole object, which may not fit into memory.
            if (given := answer.get("ContentRange")) != expected:
                raise SourceChanged(f"{uri}: requested {expected}, got {given}")
            try:
                content: bytes = body.read()
            except (BotoCoreError, OSError) as error:
                # The body broke off, or its checksum is wrong: another answer may be good.
                raise StorageUnavailable(f"reading {uri}: {error}") from error
        if len(content) != end - begin:
            raise StorageUnavailable(f"{uri}: {len(content)} of {end - begin} bytes arrived")
        return content
