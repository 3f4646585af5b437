"""The upload in S3: pinned to one version that nobody can change, and read by ranges of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import SourceChanged, SourceNotVersioned, StorageUnavailable
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.service_errors import error_code, storage_error

# How S3 says that an object is not there, or not as it was; without the right to list, not to be seen.
_GONE = {
    *("403", "AccessDenied", "404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"),
    *("412", "PreconditionFailed", "416", "InvalidRange"),
}
_NO_VERSION = "null"


def pinned(source: SourceObject, s3: Any) -> SourceObject:
    """Return `source` with the version it has; raise SourceNotVersioned where none holds it.

    Where the event names none, S3 is asked for what lies under the key now. Is it of the same ETag and has a
    version, that version holds the bytes of the upload and cannot change any more.
    """
    if source.version_id:
        return source
    etag = f'"{source.etag}"'  # Events leave its quotes out.
    try:
        found = s3.head_object(Bucket=source.bucket, Key=source.key, IfMatch=etag)
    except (ClientError, BotoCoreError) as error:
        if error_code(error) not in _GONE:
            raise storage_error(f"looking for {source.uri}: {error}", error) from error
        raise _not_versioned(source, "and S3 does not show what it was about any more") from error
    version_id = found.get("VersionId") or _NO_VERSION
    if version_id == _NO_VERSION or found.get("ETag") != etag:
        raise _not_versioned(source, "nor does S3: another upload could take its place at any time")
    return replace(source, version_id=str(version_id), size_bytes=int(found["ContentLength"]))


def _not_versioned(source: SourceObject, reason: str) -> SourceNotVersioned:
    return SourceNotVersioned(
        f"The event for {source.uri} names no version, {reason}. Turn versioning on, and upload again:"
        f" aws s3api put-bucket-versioning --bucket {source.bucket} --versioning-configuration Status=Enabled"
    )


class SourceRanges:
    """Reads parts of the pinned version of `source`."""

    def __init__(self, source: SourceObject, s3: Any) -> None:
        self._source, self._s3 = source, s3
        self._request = {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}

    def read(self, begin: int, end: int) -> bytes:
        """Return bytes [begin, end); raise SourceChanged where that version is gone."""
        uri, expected = self._source.uri, f"bytes {begin}-{end - 1}/{self._source.size_bytes}"
        try:
            answer = self._s3.get_object(**self._request, Range=f"bytes={begin}-{end - 1}")
        except (ClientError, BotoCoreError) as error:
            if error_code(error) in _GONE:
                raise SourceChanged(f"{uri} is gone, or may not be read: {error}") from error
            raise storage_error(f"reading {uri}: {error}", error) from error
        with closing(answer["Body"]) as body:
            # Anything else may be the whole object, and larger than memory.
            if (given := answer.get("ContentRange")) != expected:
                raise SourceChanged(f"{uri}: {expected} asked for, {given} given")
            try:
                content: bytes = body.read()
            except (BotoCoreError, OSError) as error:
                # A body that broke off, or whose checksum is wrong: another answer may be whole.
                raise StorageUnavailable(f"reading {uri}: {error}") from error
        if len(content) != end - begin:
            raise StorageUnavailable(f"{uri}: {len(content)} of {end - begin} bytes arrived")
        return content
