"""Reading an upload by ranges: the pinned version, whole ranges, and the names of what goes wrong."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    ResponseStreamingError,
)

from chalicelib.contract.errors import ConfigurationError, KeyUnusable, SourceChanged, StorageUnavailable
from chalicelib.contract.objects import SourceObject
from chalicelib.sources import SourceRanges, pinned

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag", "1", 10)


class Body(io.BytesIO):
    """A body that breaks off with an error, where it is given one."""

    def __init__(self, content: bytes, error: Exception | None = None) -> None:
        super().__init__(content)
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        """Return the content, or raise."""
        if self._error:
            raise self._error
        return super().read(size)


class OneAnswer:
    """An S3 client that gives the same answer to every question."""

    def __init__(self, answer: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answer = answer

    def get_object(self, **request: Any) -> Any:
        """Return the answer, or raise it."""
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    head_object = get_object


def refusal(code: str, status: int = 400, message: str = "no") -> ClientError:
    """Return an error as botocore raises it."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "GetObject",
    )


def test_range_is_read_of_the_pinned_version() -> None:
    """Whatever lies under the key by now."""
    client = OneAnswer({"Body": Body(b"cdef"), "ContentRange": "bytes 2-5/10"})

    content = SourceRanges(SOURCE, client).read(2, 6)

    assert content == b"cdef"
    assert client.requests == [
        {"Bucket": "input", "Key": "clip.mp4", "VersionId": "v1", "Range": "bytes=2-5"}
    ]


@pytest.mark.parametrize("answered", ["bytes 2-5/11", "bytes 0-3/10", None])
def test_another_range_than_was_asked_for_is_not_read(answered: str | None) -> None:
    """It may be the whole of another object."""
    client = OneAnswer({"Body": Body(b"cdef"), "ContentRange": answered})

    with pytest.raises(SourceChanged):
        SourceRanges(SOURCE, client).read(2, 6)


@pytest.mark.parametrize(
    "body",
    [
        Body(b"cd"),
        Body(b"", IncompleteReadError(actual_bytes=1, expected_bytes=4)),
        Body(b"", ResponseStreamingError(error="reset")),
        Body(b"", FlexibleChecksumError(error_msg="crc32")),
        Body(b"", ConnectionResetError()),
    ],
    ids=["short", "incomplete", "streaming", "checksum", "reset"],
)
def test_body_that_breaks_off_is_asked_for_again(body: Body) -> None:
    """By the state machine."""
    client = OneAnswer({"Body": body, "ContentRange": "bytes 2-5/10"})

    with pytest.raises(StorageUnavailable):
        SourceRanges(SOURCE, client).read(2, 6)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (refusal("NoSuchVersion", 404), SourceChanged),
        (refusal("AccessDenied", 403), ConfigurationError),
        (refusal("AccessDenied", 403, "User is not authorized to perform: kms:Decrypt"), KeyUnusable),
        (refusal("MethodNotAllowed", 405), SourceChanged),
        (refusal("InvalidRange", 416), SourceChanged),
        (refusal("SlowDown", 503), StorageUnavailable),
        (refusal("InternalError", 500), StorageUnavailable),
        (EndpointConnectionError(endpoint_url="https://example"), StorageUnavailable),
        (refusal("NoSuchBucket", 404), ConfigurationError),
    ],
)
def test_error_of_s3_gets_its_name(raised: Exception, expected: type[Exception]) -> None:
    """A version that is gone is the upload's error; one that may not be read is the stage's."""
    with pytest.raises(expected, match=r"s3://input/clip\.mp4"):
        SourceRanges(SOURCE, OneAnswer(raised)).read(0, 1)


def test_source_with_a_version_is_not_asked_about() -> None:
    """Every event of S3 about a bucket with versions names one."""
    client = OneAnswer(refusal("500", 500))

    assert pinned(SOURCE, client) == SOURCE
    assert client.requests == []


def test_forbidden_upload_without_a_version_is_not_called_gone() -> None:
    """The answer to a HEAD is a bare 403: the event goes to the dead-letter queue, for a person to mend."""
    unpinned = SourceObject("input", "clip.mp4", None, "etag", "1", 10)

    with pytest.raises(ConfigurationError, match=r"access is denied.*or the object is gone"):
        pinned(unpinned, OneAnswer(refusal("403", 403)))


@pytest.mark.parametrize(
    "raised", [refusal("500", 500), EndpointConnectionError(endpoint_url="https://example")]
)
def test_s3_that_does_not_say_which_version_is_asked_again(raised: Exception) -> None:
    """The event comes again: its execution has the version in its name."""
    unpinned = SourceObject("input", "clip.mp4", None, "etag", "1", 10)

    with pytest.raises(StorageUnavailable):
        pinned(unpinned, OneAnswer(raised))
