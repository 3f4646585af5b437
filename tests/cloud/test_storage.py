"""Storage against S3 over HTTP: what the SDK sends is what S3 takes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from blur_container.storage.block_cache import BLOCK_BYTES, BlockCache
from blur_container.storage.s3 import Storage
from chalicelib.contract.delivery import Overtaken, condition
from chalicelib.contract.errors import SourceChanged
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.tiny import TinyCloud

MEBIBYTE = 1024**2
OLD, NEW = b"old" * 400_000, b"new" * 400_000


@pytest.fixture
def storage(tiny: TinyCloud) -> Storage:
    """Return the storage of a cloud."""
    return Storage(tiny.cloud.client("s3"))


def bucket(tiny: TinyCloud, name: str, *, versioned: bool = False) -> str:
    """Make a bucket; return its name."""
    client = tiny.cloud.client("s3")
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def read(storage: Storage, source: SourceObject | ObjectReference, folder: Path) -> bytes:
    """Return all of `source`, read by ranges."""
    with BlockCache(folder, MEBIBYTE) as cache:
        remote = storage.opened(source, cache)
        return io.BufferedReader(remote.open()).read()


def test_version_is_read_though_a_later_one_is_there(
    tiny: TinyCloud, storage: Storage, tmp_path: Path
) -> None:
    """The analysed bytes, whatever was uploaded since."""
    name = bucket(tiny, "versions", versioned=True)
    first = tiny.upload(name, "clip.mp4", OLD)
    tiny.upload(name, "clip.mp4", NEW)
    source = SourceObject(name, "clip.mp4", first["VersionId"], first["ETag"].strip('"'), "01", len(OLD))

    assert read(storage, source, tmp_path) == OLD
    assert read(storage, ObjectReference(name, "clip.mp4"), tmp_path) == NEW


def test_overwritten_object_is_changed(tiny: TinyCloud, storage: Storage, tmp_path: Path) -> None:
    """In a bucket without versions, another ETag means a changed source."""
    name = bucket(tiny, "plain")
    first = tiny.upload(name, "clip.mp4", OLD)
    source = SourceObject(name, "clip.mp4", None, first["ETag"].strip('"'), "01", len(OLD))

    with BlockCache(tmp_path, MEBIBYTE) as cache:
        remote = storage.opened(source, cache)
        start = remote.open().read(3)
        tiny.upload(name, "clip.mp4", NEW)
        handle = remote.open()
        handle.seek(2 * BLOCK_BYTES)
        with pytest.raises(SourceChanged):
            handle.read(3)

    assert start == b"old"


@pytest.mark.parametrize("count", [2, 20])
def test_written_object_appears_whole_and_is_copied(
    tiny: TinyCloud, storage: Storage, tmp_path: Path, count: int
) -> None:
    """An object written in one step or in parts appears whole; its copy has its own type and tags."""
    name = bucket(tiny, f"written-{count}")
    written, copied = ObjectReference(name, "run/a b/ü+.mp4"), ObjectReference(name, "copy.mp4")

    with storage.writer(written, "video/mp4", {"execution": "e1"}, 0) as writer:
        [writer.write(bytes([number]) * MEBIBYTE) for number in range(count)]
        before = storage.exists(written)
        writer.seek(1)
        writer.write(b"patched")
        writer.complete()
    storage.copy_over(written, copied, "video/quicktime", {"execution": "e2"}, {"IfNoneMatch": "*"})

    head = tiny.cloud.client("s3").head_object(Bucket=name, Key="copy.mp4")
    expected = b"\0patched" + b"".join(bytes([number]) * MEBIBYTE for number in range(count))[8:]
    assert (before, storage.exists(written)) == (False, True)
    assert read(storage, written, tmp_path) == read(storage, copied, tmp_path) == expected
    assert (head["ContentType"], head["Metadata"]) == ("video/quicktime", {"execution": "e2"})


@pytest.mark.parametrize("count", [1, 14])
@pytest.mark.parametrize("etag", ['"another"', None])
def test_a_write_over_another_object_is_refused(
    tiny: TinyCloud, storage: Storage, tmp_path: Path, count: int, etag: str | None
) -> None:
    """A conditional write, in one step or in parts, is refused if the object changed or exists already."""
    name = bucket(tiny, f"conditions-{count}-{etag is None}".lower())
    tiny.upload(name, "out.mp4", OLD)
    target = ObjectReference(name, "out.mp4")
    (tmp_path / "video").write_bytes(bytes(count * MEBIBYTE))

    with pytest.raises(Overtaken):
        storage.upload_over(tmp_path / "video", target, "video/mp4", {}, condition(etag))

    assert read(storage, target, tmp_path) == OLD


@pytest.mark.parametrize("count", [1, 14])
def test_a_write_over_what_was_read_is_taken(
    tiny: TinyCloud, storage: Storage, tmp_path: Path, count: int
) -> None:
    """A conditional write over the unchanged object succeeds: in one step, in parts, and as a copy."""
    name = bucket(tiny, f"replaced-{count}")
    tiny.upload(name, "out.mp4", OLD)
    target = ObjectReference(name, "out.mp4")
    etag = tiny.cloud.client("s3").head_object(Bucket=name, Key="out.mp4")["ETag"]
    (tmp_path / "video").write_bytes(bytes(count * MEBIBYTE))

    storage.upload_over(tmp_path / "video", target, "video/mp4", {}, condition(etag))

    assert read(storage, target, tmp_path) == bytes(count * MEBIBYTE)


def test_unfinished_object_leaves_no_parts(tiny: TinyCloud, storage: Storage) -> None:
    """Parts cost money until somebody forgets them."""
    name = bucket(tiny, "unfinished")

    with storage.writer(ObjectReference(name, "out.mp4"), "video/mp4", {}, 0) as writer:
        writer.write(bytes(14 * MEBIBYTE))

    assert "Uploads" not in tiny.cloud.client("s3").list_multipart_uploads(Bucket=name)
    assert storage.list_keys(name, "") == []


def test_keys_are_listed_by_their_prefix(tiny: TinyCloud, storage: Storage) -> None:
    """Listing a prefix returns its keys and no others."""
    name = bucket(tiny, "listed")
    [tiny.upload(name, key) for key in ("run/1", "run/2", "other")]

    assert storage.list_keys(name, "run/") == ["run/1", "run/2"]
    assert [storage.exists(ObjectReference(name, key)) for key in ("run/1", "run/")] == [True, False]


def test_missing_object_is_changed(tiny: TinyCloud, storage: Storage, tmp_path: Path) -> None:
    """An object deleted before it was opened counts as a changed source."""
    with pytest.raises(SourceChanged):
        read(storage, ObjectReference(bucket(tiny, "missing"), "clip.mp4"), tmp_path)
