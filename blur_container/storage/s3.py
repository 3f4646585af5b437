"""Objects in S3: download, upload, ranged reads, streamed writes, conditional writes and copies."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blur_container.storage.block_cache import BlockCache
from blur_container.storage.client import MANAGED, translated
from blur_container.storage.multipart_writer import MultipartWriter
from blur_container.storage.range_reader import AHEAD_BYTES, RemoteObject
from chalicelib.contract.delivery import OutputBucket, conditional
from chalicelib.contract.errors import InvalidDocument, SourceChanged, StorageUnavailable
from chalicelib.contract.job import Job
from chalicelib.contract.objects import ObjectReference, SourceObject

MP4 = "video/mp4"
_BLOCK_BYTES = 1024**2
# A copied part may have 5 GiB at most.
_COPIED_BYTES = 1024**3
_READS = 3


class Storage:
    """Reads and writes objects through an S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def download(self, source: SourceObject, target: Path) -> int:
        """Write the pinned version of `source` to `target` and return its size in bytes.

        Raise SourceChanged where that version is gone, StorageUnavailable where bytes are missing.
        """
        with translated(source.uri):
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key, **_pin(source))
            expected = int(answer["ContentLength"])
            with closing(answer["Body"]) as body, target.open("wb") as file:
                for block in body.iter_chunks(_BLOCK_BYTES):
                    file.write(block)
        found = target.stat().st_size
        if found != expected:
            raise StorageUnavailable(f"{source.uri}: {found} of {expected} bytes arrived")
        return found

    def upload(
        self, path: Path, target: ObjectReference, content_type: str, metadata: Mapping[str, str]
    ) -> int:
        """Write the file at `path` to `target` and return its size in bytes; `metadata` must be ASCII."""
        with translated(target.uri):
            self._client.upload_file(
                str(path),
                target.bucket,
                target.key,
                ExtraArgs=_described(content_type, metadata),
                Config=MANAGED,
            )
        return path.stat().st_size

    def read_text(self, source: ObjectReference) -> str:
        """Return the text of `source`; raise InvalidDocument where it is not UTF-8."""
        with translated(source.uri):
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key)
            # Not `with body:` - that returns the raw stream, which does not check the length.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise InvalidDocument(f"{source.uri} is not UTF-8: {error.reason}") from error

    def write_json(self, text: str, target: ObjectReference) -> None:
        """Write the JSON `text` to `target`."""
        with translated(target.uri):
            self._client.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=text.encode(),
                ContentType="application/json; charset=utf-8",
            )

    def opened(
        self, source: SourceObject | ObjectReference, cache: BlockCache, ahead_bytes: int = AHEAD_BYTES
    ) -> RemoteObject:
        """Return `source` for ranged reads, pinned to its named version, or else to the present one.

        Reads raise SourceChanged where that version is gone, StorageUnavailable where bytes are missing.
        """
        if isinstance(source, SourceObject):
            request = {"Bucket": source.bucket, "Key": source.key, **_pin(source)}
            ranges = _Ranges(self._client, request, source.uri, source.size_bytes)
        else:
            ranges = _Ranges.found(self._client, source)
        return RemoteObject(ranges.uri, ranges.fetch, ranges.size_bytes, cache, ahead_bytes)

    def writer(
        self, target: ObjectReference, content_type: str, metadata: Mapping[str, str], head_bytes: int
    ) -> MultipartWriter:
        """Return a file object that becomes `target` when completed; `metadata` must be ASCII."""
        described = _described(content_type, metadata)
        return MultipartWriter(_Upload(self._client, target, described), head_bytes)

    def output_bucket(self, job: Job, bucket: str) -> OutputBucket:
        """Return the output and manifest of `job` in `bucket`."""
        return OutputBucket(self._client, job, bucket, translated)

    def upload_over(
        self,
        path: Path,
        target: ObjectReference,
        content_type: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> int:
        """Write the file at `path` to `target` if `condition` is true at the end; return its size in bytes.

        Raise Overtaken where it is not. s3transfer's uploads have no conditions.
        """
        upload = _Upload(self._client, target, _described(content_type, metadata), condition)
        with path.open("rb") as file, MultipartWriter(upload, 0) as writer:
            shutil.copyfileobj(file, writer, _BLOCK_BYTES)
            return writer.complete()

    def copy_over(
        self,
        source: ObjectReference,
        target: ObjectReference,
        content_type: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> None:
        """Copy `source` to `target` inside S3 if `condition` is true; the target appears whole or not at all.

        Raise Overtaken where the condition is false, SourceChanged where `source` is missing or changes.
        """
        place = {"Bucket": source.bucket, "Key": source.key}
        with translated(source.uri):
            found = self._client.head_object(**place)
        size_bytes = int(found["ContentLength"])
        upload = _Upload(self._client, target, _described(content_type, metadata), condition)
        upload.begin()
        try:
            for number, begin in enumerate(range(0, size_bytes, _COPIED_BYTES), 1):
                end = min(begin + _COPIED_BYTES, size_bytes)
                upload.copy_part(number, place, found["ETag"], begin, end)
            upload.complete()
        except Exception:
            upload.abort()
            raise

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """Return all keys in `bucket` that begin with `prefix`, in S3's order."""
        keys: list[str] = []
        request = {"Bucket": bucket, "Prefix": prefix}
        with translated(f"s3://{bucket}/{prefix}"):
            while True:
                page = self._client.list_objects_v2(**request)
                keys += [entry["Key"] for entry in page.get("Contents", [])]
                if not page.get("IsTruncated"):
                    return keys
                request["ContinuationToken"] = page["NextContinuationToken"]

    def exists(self, reference: ObjectReference) -> bool:
        """Return whether the object exists; listing needs the permission s3:ListBucket only."""
        return reference.key in self.list_keys(reference.bucket, reference.key)


@dataclass(frozen=True)
class _Ranges:
    """Ranged reads of one version of an object, which `request` names."""

    client: Any
    request: Mapping[str, str]
    uri: str
    size_bytes: int

    @classmethod
    def found(cls, client: Any, reference: ObjectReference) -> _Ranges:
        """Return the present version of `reference`; reading one byte gives its size and ETag."""
        place, uri = {"Bucket": reference.bucket, "Key": reference.key}, reference.uri
        with translated(uri):
            answer = client.get_object(**place, Range="bytes=0-0")
            answer["Body"].close()
        size_bytes = int(answer["ContentRange"].rpartition("/")[2])
        return cls(client, {**place, "IfMatch": answer["ETag"]}, uri, size_bytes)

    def fetch(self, begin: int, end: int) -> bytes:
        """Return bytes [begin, end); retry a broken stream, which botocore does not do by itself."""
        reason: Exception | None = None
        for _ in range(_READS):
            with translated(self.uri):
                answer = self.client.get_object(**self.request, Range=f"bytes={begin}-{end - 1}")
            expected = f"bytes {begin}-{end - 1}/{self.size_bytes}"
            with closing(answer["Body"]) as body:
                # Any other answer may be the whole object, and larger than memory.
                if (found := answer.get("ContentRange")) != expected:
                    raise SourceChanged(f"{self.uri}: {expected} requested, {found} returned")
                try:
                    content: bytes = body.read()
                except (BotoCoreError, OSError) as error:
                    reason = error
                    continue
            if len(content) == end - begin:
                return content
        raise StorageUnavailable(f"{self.uri}: bytes {begin} to {end} cannot be read") from reason


class _Upload:
    """An upload in one step or in parts, completed if `condition` is true; raises the contract's errors."""

    def __init__(
        self,
        client: Any,
        target: ObjectReference,
        described: Mapping[str, Any],
        condition: Mapping[str, str] | None = None,
    ) -> None:
        self._client, self._described, self._uri = client, described, target.uri
        self._place = {"Bucket": target.bucket, "Key": target.key}
        self._condition = condition or {}
        self._part_tags: dict[int, str] = {}

    def put_whole(self, content: bytearray) -> None:
        """Write the object in one step."""
        with translated(self._uri), self._conditional():
            self._client.put_object(**self._place, Body=content, **self._described, **self._condition)

    def begin(self) -> None:
        """Start an upload in parts."""
        with translated(self._uri):
            answer = self._client.create_multipart_upload(**self._place, **self._described)
            self._place["UploadId"] = answer["UploadId"]

    def put_part(self, number: int, content: bytearray) -> None:
        """Upload a part."""
        with translated(self._uri):
            answer = self._client.upload_part(**self._place, PartNumber=number, Body=content)
            self._part_tags[number] = answer["ETag"]

    def copy_part(self, number: int, source: Mapping[str, str], etag: str, begin: int, end: int) -> None:
        """Copy bytes [begin, end) of an object into a part; raise SourceChanged if it has another ETag."""
        with translated(self._uri):
            answer = self._client.upload_part_copy(
                **self._place,
                PartNumber=number,
                CopySource=dict(source),
                CopySourceIfMatch=etag,
                CopySourceRange=f"bytes={begin}-{end - 1}",
            )
            self._part_tags[number] = answer["CopyPartResult"]["ETag"]

    def complete(self) -> None:
        """Make the object of all parts visible."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(self._part_tags.items())]
        with translated(self._uri), self._conditional():
            self._client.complete_multipart_upload(
                **self._place, MultipartUpload={"Parts": parts}, **self._condition
            )

    def _conditional(self) -> AbstractContextManager[None]:
        return conditional(self._client) if self._condition else nullcontext()

    def abort(self) -> None:
        """Delete the parts where that is allowed; the bucket's lifecycle deletes them after a day."""
        if "UploadId" in self._place:
            with suppress(ClientError, BotoCoreError):
                self._client.abort_multipart_upload(**self._place)


def _described(content_type: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    return {"ContentType": content_type, "Metadata": dict(metadata)}


def _pin(source: SourceObject) -> dict[str, str]:
    if source.version_id:
        return {"VersionId": source.version_id}
    return {"IfMatch": source.etag}
