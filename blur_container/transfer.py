"""Transfer: objects from and to S3; the only module that knows boto3."""

from __future__ import annotations

import functools
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from blur_container.remote import RemoteObject
from chalicelib.contract.errors import ConfigurationError, OutputMismatch, SourceChanged, StorageUnavailable
from chalicelib.contract.objects import ObjectReference, SourceObject

_BLOCK_BYTES = 1024**2
_ATTEMPTS = 5
_GONE = ("404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed", "416", "InvalidRange")
_BUSY = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException")
_SERVER_ERROR = 500
# One connection: the function's memory stays flat, and the local cloud answers ranges slowly.
_UPLOAD = TransferConfig(
    use_threads=False, multipart_threshold=64 * 1024**2, multipart_chunksize=64 * 1024**2
)
# A part of a copy or an upload; 10,000 of them hold any output.
_COPY = TransferConfig(use_threads=False, multipart_threshold=1024**3, multipart_chunksize=512 * 1024**2)
_PART_BYTES = 16 * 1024**2
_PART_BYTES_MIN = 5 * 1024**2  # S3 quota, of all parts but the last.
_MP4 = "video/mp4"
# What boto3 does not try again: a stream that breaks off after its first byte.
_BROKEN_STREAM_WAITS_S = (0.2, 0.8, 3.2)


@functools.cache
def s3_client() -> Any:
    """Return the one S3 client of this process."""
    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": _ATTEMPTS}))


class Storage:
    """Reads and writes objects through an S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def download(self, source: SourceObject, target: Path) -> int:
        """Write the pinned version of `source` to `target`; return its bytes.

        Raise SourceChanged where that version is gone, StorageUnavailable where S3 does not deliver it whole.
        """
        with _translated(source.uri):
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
        """Write the file at `path` to `target`; return its bytes. `metadata` holds ASCII only."""
        with _translated(_uri(target)):
            self._client.upload_file(
                str(path),
                target.bucket,
                target.key,
                ExtraArgs={"ContentType": content_type, "Metadata": dict(metadata)},
                Config=_UPLOAD,
            )
        return path.stat().st_size

    def opened(self, source: SourceObject | ObjectReference, folder: Path, keep_bytes: int) -> RemoteObject:
        """Return `source` to be read by ranges, pinned to one version; blocks of it are kept in `folder`.

        What is no upload is pinned to what lies there now. Reads raise SourceChanged where that is gone.
        """
        if isinstance(source, SourceObject):
            pin, size_bytes = _pin(source), source.size_bytes
        else:
            pin, size_bytes = self._found(source)
        uri = _uri(source)

        def fetch(begin: int, end: int) -> bytes:
            with _translated(uri):
                return self._range(source.bucket, source.key, pin, begin, end)

        return RemoteObject(uri, size_bytes, fetch, folder, keep_bytes)

    def _found(self, reference: ObjectReference) -> tuple[dict[str, str], int]:
        with _translated(_uri(reference)):
            answer = self._client.get_object(Bucket=reference.bucket, Key=reference.key, Range="bytes=0-0")
            answer["Body"].close()
            return {"IfMatch": answer["ETag"]}, int(answer["ContentRange"].rpartition("/")[2])

    def _range(self, bucket: str, key: str, pin: Mapping[str, str], begin: int, end: int) -> bytes:
        """Return the bytes from `begin` to `end`; a broken stream is asked for again, as boto3 does not."""
        for wait_s in (*_BROKEN_STREAM_WAITS_S, None):
            answer = self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes={begin}-{end - 1}", **pin)
            try:
                with closing(answer["Body"]) as body:
                    content: bytes = body.read()
                if len(content) == end - begin or wait_s is None:
                    return content
            except (BotoCoreError, OSError):
                if wait_s is None:
                    raise
            time.sleep(wait_s)
        raise AssertionError  # pragma: no cover - the last wait is None

    def writer(self, target: ObjectReference, head_bytes: int) -> MultipartWriter:
        """Return a file that becomes the object `target` once it is completed."""
        return MultipartWriter(self._client, target, head_bytes)

    def copy(self, source: ObjectReference, target: ObjectReference, metadata: Mapping[str, str]) -> None:
        """Copy an MP4 inside of S3, whatever its size; `target` appears whole or not at all."""
        with _translated(_uri(target)):
            self._client.copy(
                {"Bucket": source.bucket, "Key": source.key},
                target.bucket,
                target.key,
                ExtraArgs={
                    "ContentType": _MP4,
                    "Metadata": dict(metadata),
                    "MetadataDirective": "REPLACE",
                },
                Config=_COPY,
            )

    def exists(self, reference: ObjectReference) -> bool:
        """Return whether there is such an object."""
        with _translated(_uri(reference)):
            answer = self._client.list_objects_v2(Bucket=reference.bucket, Prefix=reference.key, MaxKeys=1)
        return any(entry["Key"] == reference.key for entry in answer.get("Contents", []))

    def read_text(self, source: ObjectReference) -> str:
        """Return the text in `source`."""
        with _translated(_uri(source)):
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key)
            # Not `with body:` - that hands out the raw stream, which does not count its bytes.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
            return content.decode()

    def write_json(self, text: str, target: ObjectReference) -> None:
        """Write the JSON `text` to `target`."""
        with _translated(_uri(target)):
            self._client.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=text.encode(),
                ContentType="application/json; charset=utf-8",
            )


class MultipartWriter(io.RawIOBase):
    """A file that is written once from front to back, but for its first `head_bytes`; it appears at the end.

    FFmpeg goes back to write the index into the room it kept there. Nothing else may be written twice.
    """

    def __init__(self, client: Any, target: ObjectReference, head_bytes: int) -> None:
        super().__init__()
        self._client, self._target = client, target
        self._place = self._size = 0
        self._head = bytearray()
        self._head_bytes = max(head_bytes, _PART_BYTES_MIN)
        self._tail = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    @property
    def size_bytes(self) -> int:
        """Return how long the file is so far."""
        return self._size

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def seekable(self) -> bool:
        """Return that places can be gone to."""
        return True

    def tell(self) -> int:
        """Return the place in bytes."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; return it."""
        self._place = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence] + offset
        return self._place

    def write(self, content: Any) -> int:
        """Write `content` at the place; raise OutputMismatch where a part that was sent would change."""
        data = bytes(content)
        inside = data[: max(self._head_bytes - self._place, 0)]
        if inside:
            self._head.extend(bytes(max(self._place - len(self._head), 0)))
            self._head[self._place : self._place + len(inside)] = inside
        rest = data[len(inside) :]
        if rest:
            if self._place + len(inside) != max(self._size, self._head_bytes):
                raise OutputMismatch("a part of the output that was sent already would change")
            self._tail += rest
        self._place += len(data)
        self._size = max(self._size, self._place)
        while len(self._tail) >= _PART_BYTES:
            self._send(len(self._parts) + 2, bytes(self._tail[:_PART_BYTES]))
            del self._tail[:_PART_BYTES]
        return len(data)

    def complete(self) -> None:
        """Let the object appear, all that was written in it."""
        with _translated(_uri(self._target)):
            if not self._parts:
                whole = bytes(self._head + self._tail)
                self._client.put_object(
                    Bucket=self._target.bucket, Key=self._target.key, Body=whole, ContentType=_MP4
                )
                return
            if self._tail:
                self._send(len(self._parts) + 2, bytes(self._tail))
            self._send(1, bytes(self._head))
            self._client.complete_multipart_upload(
                Bucket=self._target.bucket,
                Key=self._target.key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": sorted(self._parts, key=_part_number)},
            )

    def _send(self, number: int, content: bytes) -> None:
        place = {"Bucket": self._target.bucket, "Key": self._target.key}
        with _translated(_uri(self._target)):
            if self._upload_id is None:
                answer = self._client.create_multipart_upload(**place, ContentType=_MP4)
                self._upload_id = answer["UploadId"]
            answer = self._client.upload_part(
                **place, UploadId=self._upload_id, PartNumber=number, Body=content
            )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


def _part_number(part: Mapping[str, Any]) -> int:
    return int(part["PartNumber"])


def _pin(source: SourceObject) -> dict[str, str]:
    if source.version_id:
        return {"VersionId": source.version_id}
    return {"IfMatch": source.etag}


def _uri(reference: ObjectReference | SourceObject) -> str:
    return f"s3://{reference.bucket}/{reference.key}"


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Turn errors of boto3 into those of the contract."""
    try:
        yield
    except ClientError as error:
        raise _refused(uri, error) from error
    except NoCredentialsError as error:
        raise ConfigurationError(f"{uri}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"{uri}: {error}") from error


def _refused(uri: str, error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _GONE:
        return SourceChanged(f"{uri}: {error}")
    if code in _BUSY or status >= _SERVER_ERROR:
        return StorageUnavailable(f"{uri}: {error}")
    # Access denied, no such bucket: the deployment is wrong, not the network.
    return ConfigurationError(f"{uri}: {error}")
