"""Objects written to S3 - streamed, copied - and told of: what appears is whole, what fails has its name."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
)

from blur_container.storage.multipart_writer import MultipartWriter
from blur_container.storage.s3 import Storage
from chalicelib.contract.delivery import Overtaken
from chalicelib.contract.errors import (
    FaceBlurError,
    OutputMismatch,
    SourceChanged,
)
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.fake_s3 import REFUSALS, FakeS3, etag_of, refusal

MEBIBYTE = 1024**2
CONTENT = b"content"
SOURCE = SourceObject("input", "clip.mp4", None, etag_of(CONTENT), "01", len(CONTENT))
PLACE = ObjectReference("input", "clip.mp4")
TARGET = ObjectReference("output", "out.mp4")


def far() -> FakeS3:
    """Return a client with one object."""
    return FakeS3({("input", "clip.mp4"): CONTENT})


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
    """A small output is written by a single request."""
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
    """A large output is written in parts, the first part last, with unchanged bytes."""
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
    """A write into parts that were sent, or beyond the end, is refused."""
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
    """A refused part raises a named error and leaves no object, even if the abort is refused too."""
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
    """The copy is of the verified version, and has its own type and metadata."""
    client = far()

    Storage(client).copy_over(PLACE, TARGET, "video/mp4", {"execution": "e1"}, {"IfNoneMatch": "*"})

    _, begin, part, complete = client.requests
    assert client.objects["output", "out.mp4"] == CONTENT
    assert (begin["ContentType"], begin["Metadata"]) == ("video/mp4", {"execution": "e1"})
    assert part["CopySourceIfMatch"] == f'"{SOURCE.etag}"'
    assert complete["IfNoneMatch"] == "*"


def test_copy_over_another_object_is_refused() -> None:
    """Another execution has written since the object was looked at; no parts stay behind."""
    client = far()
    client.objects["output", "out.mp4"] = b"another"

    with pytest.raises(Overtaken):
        Storage(client).copy_over(PLACE, TARGET, "video/mp4", {}, {"IfNoneMatch": "*"})

    assert client.objects["output", "out.mp4"] == b"another"
    assert client.operations[-1] == "abort_multipart_upload"


@pytest.mark.parametrize("count", [1, 14])
def test_upload_over_another_object_is_refused(tmp_path: Path, count: int) -> None:
    """An upload over a changed object is refused, in one step and in parts."""
    client = FakeS3({("output", "out.mp4"): b"another"})
    (tmp_path / "video").write_bytes(bytes(count * MEBIBYTE))

    with pytest.raises(Overtaken):
        Storage(client).upload_over(tmp_path / "video", TARGET, "video/mp4", {}, {"IfMatch": '"earlier"'})

    assert client.objects["output", "out.mp4"] == b"another"


@pytest.mark.parametrize(("error", "named"), [*REFUSALS, (refusal("PreconditionFailed", 412), SourceChanged)])
@pytest.mark.parametrize("operation", ["head_object", "upload_part_copy"])
def test_refused_copies_are_named(operation: str, error: ClientError, named: type[FaceBlurError]) -> None:
    """Overwritten between the two calls as well."""
    client = far()
    client.errors = {operation: error}

    with pytest.raises(named):
        Storage(client).copy_over(PLACE, TARGET, "video/mp4", {}, {"IfNoneMatch": "*"})

    assert ("output", "out.mp4") not in client.objects


def test_keys_are_listed_over_pages() -> None:
    """Listing returns the keys of all pages."""
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
    """A refused listing raises an error instead of reporting a missing object."""
    with pytest.raises(named):
        Storage(FakeS3(error=error)).exists(PLACE)
