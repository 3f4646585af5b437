"""Ranges, streamed uploads and housekeeping in S3: what arrives is right, what fails has its name."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from blur_container.multipart import MultipartWriter
from blur_container.remote import BLOCK_BYTES
from blur_container.transfer import Storage
from chalicelib.contract.errors import (
    ConfigurationError,
    FaceBlurError,
    OutputMismatch,
    SourceChanged,
    StorageUnavailable,
)
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.media.fake_s3 import FakeS3, etag_of, refusal

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
    with Storage(client).opened(source, folder, MEBIBYTE) as remote:
        return io.BufferedReader(remote.open()).read()


def test_version_is_read_by_ranges(tmp_path: Path) -> None:
    """Each of them asks for the version that was analysed."""
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

    with Storage(client).opened(source, tmp_path, MEBIBYTE) as remote:
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
    """The state machine tries again later."""
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


REFUSALS = [
    pytest.param(refusal("InternalError", 500), StorageUnavailable, id="500"),
    pytest.param(refusal("SlowDown", 503), StorageUnavailable, id="503"),
    pytest.param(ConnectionClosedError(endpoint_url="s3"), StorageUnavailable, id="closed"),
    pytest.param(refusal("AccessDenied", 403), ConfigurationError, id="403"),
]


@pytest.mark.parametrize(("error", "named"), [*REFUSALS, (refusal("NoSuchVersion", 404), SourceChanged)])
@pytest.mark.parametrize("source", [SOURCE, PLACE], ids=["source", "reference"])
def test_refused_ranges_are_named(
    tmp_path: Path, source: SourceObject | ObjectReference, error: Exception, named: type[Exception]
) -> None:
    """As all refusals are."""
    with pytest.raises(named):
        read(FakeS3(error=error), source, tmp_path)


def streamed(client: FakeS3, head_bytes: int = 0) -> MultipartWriter:
    """Return a writer of TARGET."""
    return Storage(client).writer(TARGET, "video/mp4", {"execution": "e1"}, head_bytes)


def write(client: FakeS3, mebibytes: int) -> int:
    """Write so many MiB, each full of its number; return the bytes."""
    with streamed(client) as writer:
        [writer.write(bytes([number]) * MEBIBYTE) for number in range(mebibytes)]
        return writer.complete()


def mebibytes(content: bytes) -> list[int]:
    """Return the number that each MiB of `content` is full of."""
    return [number for number, _ in itertools.groupby(content)]


@pytest.mark.parametrize("count", [0, 1, 4, 12])
def test_little_is_written_in_one_step(count: int) -> None:
    """Parts cost three requests more."""
    client = FakeS3()

    assert write(client, count) == count * MEBIBYTE
    assert mebibytes(client.objects["output", "out.mp4"]) == list(range(count))
    assert client.operations == ["put_object"]
    assert (client.requests[0]["ContentType"], client.requests[0]["Metadata"]) == (
        "video/mp4",
        {"execution": "e1"},
    )


@pytest.mark.parametrize("count", [13, 14, 30])
def test_much_is_written_in_parts(count: int) -> None:
    """Whatever the last part holds, the bytes are those that were written, the head comes last."""
    client = FakeS3()

    assert write(client, count) == count * MEBIBYTE
    assert mebibytes(client.objects["output", "out.mp4"]) == list(range(count))
    assert (client.requests[0]["ContentType"], client.requests[0]["Metadata"]) == (
        "video/mp4",
        {"execution": "e1"},
    )
    assert client.requests[-2]["PartNumber"] == 1


def test_head_can_be_written_over() -> None:
    """An MP4's index is known when its media are written."""
    client = FakeS3()

    with streamed(client, head_bytes=6 * MEBIBYTE) as writer:
        writer.write(bytes(30 * MEBIBYTE))
        writer.seek(6 * MEBIBYTE - 3)
        writer.write(b"abc")
        writer.seek(0, 2)
        writer.write(b"end")
        writer.complete()

    content = client.objects["output", "out.mp4"]
    assert content == bytes(6 * MEBIBYTE - 3) + b"abc" + bytes(24 * MEBIBYTE) + b"end"


def test_skipped_head_is_zero() -> None:
    """FFmpeg leaves room for the index without writing it."""
    client = FakeS3()

    with streamed(client) as writer:
        writer.seek(3)
        writer.write(b"media")
        writer.complete()

    assert client.objects["output", "out.mp4"] == b"\0\0\0media"


@pytest.mark.parametrize("place", [6 * MEBIBYTE - 1, 6 * MEBIBYTE, 14 * MEBIBYTE - 1, 31 * MEBIBYTE])
def test_sent_bytes_cannot_be_written_over(place: int) -> None:
    """They are out of reach, and so is what lies behind the end."""
    client = FakeS3()

    with streamed(client, head_bytes=6 * MEBIBYTE) as writer:
        writer.write(bytes(30 * MEBIBYTE))
        writer.seek(place)
        with pytest.raises(OutputMismatch):
            writer.write(b"ab")
        with pytest.raises(OutputMismatch):
            writer.complete()

    assert client.objects == {}
    assert client.operations[-1] == "abort_multipart_upload"


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        ("put_object", 4),
        ("create_multipart_upload", 14),
        ("upload_part", 14),
        ("complete_multipart_upload", 14),
    ],
)
@pytest.mark.parametrize(("error", "named"), REFUSALS)
def test_refused_parts_are_named(
    operation: str, count: int, error: Exception, named: type[Exception]
) -> None:
    """And leave no object, also where forgetting the parts is refused."""
    client = FakeS3(errors={operation: error, "abort_multipart_upload": refusal("AccessDenied", 403)})

    with pytest.raises(named) as raised:
        write(client, count)

    assert raised.value.__cause__ is error
    assert client.objects == {}


def test_left_before_it_is_complete_is_nothing() -> None:
    """An error in between, or a forgotten step."""
    client = FakeS3()

    with streamed(client) as writer:
        writer.write(bytes(14 * MEBIBYTE))

    assert (client.objects, client.parts) == ({}, {})


def test_copy_is_pinned_and_described_anew() -> None:
    """What was verified is what is delivered."""
    client = far()

    Storage(client).copy(PLACE, TARGET, "video/mp4", {"execution": "e1"})

    assert client.objects["output", "out.mp4"] == CONTENT
    assert client.requests[-1]["ExtraArgs"] == {
        "ContentType": "video/mp4",
        "Metadata": {"execution": "e1"},
        "MetadataDirective": "REPLACE",
        "CopySourceIfMatch": f'"{SOURCE.etag}"',
    }


@pytest.mark.parametrize(("error", "named"), [*REFUSALS, (refusal("PreconditionFailed", 412), SourceChanged)])
@pytest.mark.parametrize("operation", ["head_object", "copy"])
def test_refused_copies_are_named(operation: str, error: ClientError, named: type[FaceBlurError]) -> None:
    """Overwritten between the two calls as well."""
    client = far()
    client.errors = {operation: error}

    with pytest.raises(named):
        Storage(client).copy(PLACE, TARGET, "video/mp4", {})

    assert ("output", "out.mp4") not in client.objects


def test_keys_are_listed_over_pages() -> None:
    """All of them, and none beside the prefix."""
    client = FakeS3(
        {("work", f"run/{number}"): b"" for number in range(5)} | {("work", "other"): b""}, page=2
    )

    assert Storage(client).list_keys("work", "run/") == [f"run/{number}" for number in range(5)]
    assert Storage(client).list_keys("work", "none/") == []


def test_existence_is_told() -> None:
    """Missing is an answer, not an error."""
    storage = Storage(far())

    assert (storage.exists(PLACE), storage.exists(TARGET)) == (True, False)


@pytest.mark.parametrize(("error", "named"), REFUSALS)
def test_unknown_existence_is_an_error(error: Exception, named: type[Exception]) -> None:
    """Not being allowed to know is not missing."""
    with pytest.raises(named):
        Storage(FakeS3(error=error)).exists(PLACE)
