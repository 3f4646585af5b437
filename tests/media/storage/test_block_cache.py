"""Ranges of an object in S3: what arrives is right, what fails has its name."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import (
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from blur_container.storage.block_cache import BLOCK_BYTES, BlockCache
from blur_container.storage.s3 import Storage
from chalicelib.contract.errors import (
    SourceChanged,
    StorageUnavailable,
)
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.fake_s3 import REFUSALS, FakeS3, etag_of, refusal

MEBIBYTE = 1024**2
CONTENT = bytes(range(256)) * (3 * BLOCK_BYTES // 256) + b"end"
SOURCE = SourceObject("input", "clip.mp4", None, etag_of(CONTENT), "01", len(CONTENT))
PLACE = ObjectReference("input", "clip.mp4")
TARGET = ObjectReference("output", "out.mp4")
RESET = ResponseStreamingError(error="Connection reset by peer")
BREAKS = [
    pytest.param(RESET, id="reset"),
    pytest.param(ReadTimeoutError(endpoint_url="s3"), id="timeout"),
    pytest.param(IncompleteReadError(actual_bytes=1, expected_bytes=2), id="short"),
    pytest.param(ConnectionResetError(104, "reset"), id="socket"),
]


def far() -> FakeS3:
    """Return a client with one object."""
    return FakeS3({("input", "clip.mp4"): CONTENT})


def read(client: FakeS3, source: SourceObject | ObjectReference, folder: Path) -> bytes:
    """Return all of `source`, read by ranges."""
    with BlockCache(folder, MEBIBYTE) as cache:
        remote = Storage(client).opened(source, cache)
        return io.BufferedReader(remote.open()).read()


def test_version_is_read_by_ranges(tmp_path: Path) -> None:
    """Each ranged read names the version that was analysed."""
    client = far()

    content = read(client, replace(SOURCE, version_id="v7"), tmp_path)

    assert content == CONTENT
    assert {request["VersionId"] for request in client.requests} == {"v7"}
    assert [request["Range"] for request in client.requests] == ["bytes=0-262143", "bytes=262144-786431"] + [
        f"bytes=786432-{len(CONTENT) - 1}"
    ] * (len(client.requests) - 2)


def test_etag_pins_where_there_are_no_versions(tmp_path: Path) -> None:
    """An overwritten object must not be mixed with the analysed one."""
    client = far()

    assert read(client, SOURCE, tmp_path) == CONTENT
    assert {request["IfMatch"] for request in client.requests} == {SOURCE.etag}


def test_reference_is_pinned_to_what_is_found(tmp_path: Path) -> None:
    """One read of a byte tells size and version: the right to read objects is enough."""
    client = far()

    assert read(client, PLACE, tmp_path) == CONTENT
    assert set(client.operations) == {"get_object"}
    assert client.requests[0] == {"Bucket": "input", "Key": "clip.mp4", "Range": "bytes=0-0"}
    assert {request["IfMatch"] for request in client.requests[1:]} == {f'"{SOURCE.etag}"'}


@pytest.mark.parametrize("source", [SOURCE, PLACE], ids=["source", "reference"])
def test_overwritten_in_between_is_changed(tmp_path: Path, source: SourceObject | ObjectReference) -> None:
    """The bytes of two versions make no video."""
    client = far()

    with BlockCache(tmp_path, MEBIBYTE) as cache:
        remote = Storage(client).opened(source, cache)
        remote.open().read(1)
        client.objects["input", "clip.mp4"] = CONTENT[::-1]
        handle = remote.open()
        handle.seek(2 * BLOCK_BYTES)
        with pytest.raises(SourceChanged, match=r"s3://input/clip.mp4"):
            handle.read(1)


@pytest.mark.parametrize("size_bytes", [len(CONTENT) + 1, len(CONTENT) + BLOCK_BYTES])
def test_other_size_is_changed(tmp_path: Path, size_bytes: int) -> None:
    """A range past the end is refused by S3, or answered with fewer bytes."""
    with pytest.raises(SourceChanged):
        read(far(), replace(SOURCE, version_id="v7", etag="", size_bytes=size_bytes), tmp_path)


@pytest.mark.parametrize("error", BREAKS)
def test_broken_stream_is_read_again(tmp_path: Path, error: Exception) -> None:
    """The SDK tries requests again, not what comes after their headers."""
    client = far()
    client.streams = [error, error]

    assert read(client, SOURCE, tmp_path) == CONTENT


@pytest.mark.parametrize("error", BREAKS)
def test_streams_that_break_on_and_on_are_named(tmp_path: Path, error: Exception) -> None:
    """A connection that keeps breaking raises the error that the state machine retries."""
    client = far()
    client.streams = [error] * 3

    with pytest.raises(StorageUnavailable, match=r"s3://input/clip.mp4: bytes 0 to 262144") as raised:
        read(client, SOURCE, tmp_path)

    assert raised.value.__cause__ is error


def test_missing_bytes_are_named(tmp_path: Path) -> None:
    """A connection that ends early without an error."""
    client = far()
    client.lost_bytes = 1

    with pytest.raises(StorageUnavailable):
        read(client, SOURCE, tmp_path)


@pytest.mark.parametrize(("error", "named"), [*REFUSALS, (refusal("NoSuchVersion", 404), SourceChanged)])
@pytest.mark.parametrize("source", [SOURCE, PLACE], ids=["source", "reference"])
def test_refused_ranges_are_named(
    tmp_path: Path, source: SourceObject | ObjectReference, error: Exception, named: type[Exception]
) -> None:
    """Refused ranged reads raise the same errors as other refusals."""
    with pytest.raises(named):
        read(FakeS3(error=error), source, tmp_path)
