"""S3 in memory: the few calls the container makes, with the errors S3 gives."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.response import StreamingBody

from chalicelib.contract.errors import ConfigurationError, StorageUnavailable

PART_MIN_BYTES = 5 * 1024**2


def refusal(code: str, status: int, message: str = "refused") -> ClientError:
    """Return the error by which boto3 reports a refused request."""
    error = {"Code": code, "Message": message}
    answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(cast("Any", answer), "AnyOperation")


# How S3 refuses, and what that is called.
REFUSALS = [
    pytest.param(refusal("InternalError", 500), StorageUnavailable, id="500"),
    pytest.param(refusal("SlowDown", 503), StorageUnavailable, id="503"),
    pytest.param(ConnectionClosedError(endpoint_url="s3"), StorageUnavailable, id="closed"),
    pytest.param(refusal("AccessDenied", 403), ConfigurationError, id="403"),
]


def etag_of(content: bytes) -> str:
    """Return the ETag of an object that was written in one step, without its quotes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class BrokenStream(io.RawIOBase):
    """The body of an answer whose connection breaks."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _: int = -1, /) -> bytes:
        """Raise the error."""
        raise self._error


@dataclass
class FakeS3:
    """A client whose objects lie in `objects`, by bucket and key; `error` is raised by every call if set.

    `errors` are raised by calls of the operations they are named after, `fault` by the call with its number,
    counted from 0. Of `streams` each breaks one body.
    """

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    lost_bytes: int = 0
    errors: dict[str, Exception] = field(default_factory=dict)
    streams: list[Exception] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    parts: dict[int, bytes] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    page: int = 1000
    fault: tuple[int, Exception] | None = None
    metadata: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    exceptions = SimpleNamespace(ClientError=ClientError)

    def get_object(self, **request: Any) -> dict[str, Any]:
        """Return an object or a range of it; the last `lost_bytes` of it do not arrive."""
        whole = self._found("get_object", request)
        answer: dict[str, Any] = {"ETag": f'"{etag_of(whole)}"'}
        content = whole
        if wanted := request.get("Range"):
            begin, last = map(int, wanted.removeprefix("bytes=").split("-"))
            content = whole[begin : last + 1]
            if not content:
                raise refusal("InvalidRange", 416)
            answer["ContentRange"] = f"bytes {begin}-{begin + len(content) - 1}/{len(whole)}"
        arriving: io.RawIOBase | io.BytesIO = io.BytesIO(content[: len(content) - self.lost_bytes])
        if self.streams:
            arriving = BrokenStream(self.streams.pop(0))
        body = StreamingBody(cast("Any", arriving), len(content))
        return {**answer, "ContentLength": len(content), "Body": body}

    def head_object(self, **request: Any) -> dict[str, Any]:
        """Return what is known of an object."""
        content = self._found("head_object", request)
        metadata = self.metadata.get((request["Bucket"], request["Key"]), {})
        return {"ContentLength": len(content), "ETag": f'"{etag_of(content)}"', "Metadata": metadata}

    def put_object(self, **request: Any) -> dict[str, str]:
        """Keep an object if the request's condition holds."""
        self._note("put_object", request)
        return self._keep(request, request, bytes(request["Body"]))

    def delete_object(self, **request: Any) -> None:
        """Forget an object if the request's condition holds."""
        self._note("delete_object", request)
        self._require(request)
        self.objects.pop((request["Bucket"], request["Key"]), None)

    def upload_file(self, filename: str, bucket: str, key: str, **request: Any) -> None:
        """Keep the content of a file."""
        self._note("upload_file", {"Bucket": bucket, "Key": key, **request})
        self.objects[bucket, key] = Path(filename).read_bytes()

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        """Begin an upload."""
        self._note("create_multipart_upload", request)
        self.described = request
        return {"UploadId": "u1"}

    def upload_part(self, **request: Any) -> dict[str, str]:
        """Keep a part."""
        self._note("upload_part", request)
        self.parts[request["PartNumber"]] = bytes(request["Body"])
        return {"ETag": f"part {request['PartNumber']}"}

    def upload_part_copy(self, **request: Any) -> dict[str, dict[str, str]]:
        """Keep a range of an object as a part."""
        source = {**request["CopySource"], "IfMatch": request["CopySourceIfMatch"]}
        content = self._found("upload_part_copy", source, request)
        begin, last = map(int, request["CopySourceRange"].removeprefix("bytes=").split("-"))
        self.parts[request["PartNumber"]] = content[begin : last + 1]
        return {"CopyPartResult": {"ETag": f"part {request['PartNumber']}"}}

    def complete_multipart_upload(self, **request: Any) -> None:
        """Put the parts together; refuse them as S3 does, where one but the last is small."""
        self._note("complete_multipart_upload", request)
        numbers = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]
        if any(len(self.parts[number]) < PART_MIN_BYTES for number in numbers[:-1]):
            raise refusal("EntityTooSmall", 400)
        self._keep(request, self.described, b"".join(self.parts[number] for number in numbers))

    def abort_multipart_upload(self, **request: Any) -> None:
        """Forget the parts."""
        self._note("abort_multipart_upload", request)
        self.parts.clear()

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        """Return `page` keys at a time."""
        self._note("list_objects_v2", request)
        here = (key for bucket, key in self.objects if bucket == request["Bucket"])
        keys = sorted(key for key in here if key.startswith(request["Prefix"]))
        begin = int(request.get("ContinuationToken", 0))
        end = begin + self.page
        answer = {"Contents": [{"Key": key} for key in keys[begin:end]], "IsTruncated": end < len(keys)}
        return {**answer, "NextContinuationToken": str(end)} if end < len(keys) else answer

    def _keep(self, request: dict[str, Any], described: dict[str, Any], content: bytes) -> dict[str, str]:
        self._require(request)
        place = request["Bucket"], request["Key"]
        self.objects[place], self.metadata[place] = content, described.get("Metadata", {})
        return {"ETag": f'"{etag_of(content)}"'}

    def _require(self, request: dict[str, Any]) -> None:
        """Raise what S3 answers where the condition of a write does not hold."""
        there = self.objects.get((request["Bucket"], request["Key"]))
        if "IfMatch" in request and there is None:
            raise refusal("NoSuchKey", 404)
        if "IfMatch" in request and there is not None and request["IfMatch"].strip('"') != etag_of(there):
            raise refusal("PreconditionFailed", 412)
        if "IfNoneMatch" in request and there is not None:
            raise refusal("PreconditionFailed", 412)

    def _found(self, operation: str, request: dict[str, Any], noted: dict[str, Any] | None = None) -> bytes:
        self._note(operation, noted or request)
        content = self.objects.get((request["Bucket"], request["Key"]))
        if content is None:
            raise refusal("404" if operation == "head_object" else "NoSuchKey", 404)
        if request.get("IfMatch", "").strip('"') not in ("", etag_of(content)):
            raise refusal("PreconditionFailed", 412)
        return content

    def _note(self, operation: str, request: dict[str, Any]) -> None:
        self.requests.append(request)
        self.operations.append(operation)
        error = self.error or self.errors.get(operation)
        if self.fault is not None and self.fault[0] == len(self.operations) - 1:
            error = self.fault[1]
        if error is not None:
            raise error
