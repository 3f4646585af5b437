"""Transfer: the pinned version arrives whole, or the error says whether trying again helps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from blur_container.storage.s3 import Storage
from chalicelib.contract.errors import ConfigurationError, InvalidDocument, SourceChanged, StorageUnavailable
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clouds.fake_s3 import FakeS3, etag_of, refusal

SOURCE = SourceObject("input", "clip.mp4", "v7", "etag", "01", 3)
UNVERSIONED = replace(SOURCE, version_id=None, etag=etag_of(b"abc"))
PLACE = ObjectReference("output", "a b/ü+.mp4")


def test_download_writes_the_pinned_version(tmp_path: Path) -> None:
    """The version that was analysed is asked for, whatever was uploaded since."""
    client = FakeS3({("input", "clip.mp4"): b"abc"})

    count = Storage(client).download(SOURCE, tmp_path / "source")

    assert (count, (tmp_path / "source").read_bytes()) == (3, b"abc")
    assert client.requests == [{"Bucket": "input", "Key": "clip.mp4", "VersionId": "v7"}]


def test_download_without_versions_is_pinned_by_etag(tmp_path: Path) -> None:
    """An overwritten object must not pass for the analysed one."""
    client = FakeS3({("input", "clip.mp4"): b"abc"})

    Storage(client).download(UNVERSIONED, tmp_path / "source")

    assert client.requests == [{"Bucket": "input", "Key": "clip.mp4", "IfMatch": etag_of(b"abc")}]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (refusal("NoSuchKey", 404), SourceChanged),
        (refusal("NoSuchVersion", 404), SourceChanged),
        (refusal("PreconditionFailed", 412), SourceChanged),
        (refusal("SlowDown", 503), StorageUnavailable),
        (refusal("InternalError", 500), StorageUnavailable),
        (refusal("RequestTimeout", 400), StorageUnavailable),
        (refusal("AccessDenied", 403), ConfigurationError),
        (refusal("NoSuchBucket", 404), ConfigurationError),
        (EndpointConnectionError(endpoint_url="s3"), StorageUnavailable),
        (NoCredentialsError(), ConfigurationError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)
def test_refusals_are_named(tmp_path: Path, error: Exception, named: type[Exception]) -> None:
    """The state machine tries again by name."""
    with pytest.raises(named, match=r"s3://input/clip.mp4") as raised:
        Storage(FakeS3(error=error)).download(SOURCE, tmp_path / "source")

    assert raised.value.__cause__ is error


def test_short_read_is_tried_again(tmp_path: Path) -> None:
    """A connection that ends early leaves a file that is no source."""
    client = FakeS3({("input", "clip.mp4"): b"abc"}, lost_bytes=1)

    with pytest.raises(StorageUnavailable):
        Storage(client).download(SOURCE, tmp_path / "source")


def test_upload_carries_type_and_metadata(tmp_path: Path) -> None:
    """An upload has the content type video/mp4 and its metadata."""
    client = FakeS3()
    (tmp_path / "out.mp4").write_bytes(b"video")

    count = Storage(client).upload(tmp_path / "out.mp4", PLACE, "video/mp4", {"execution": "e1"})

    assert count == 5
    assert client.objects == {("output", "a b/ü+.mp4"): b"video"}
    assert client.requests[0]["ExtraArgs"] == {"ContentType": "video/mp4", "Metadata": {"execution": "e1"}}


def test_text_that_is_no_text_is_refused_by_name() -> None:
    """A document that was overwritten by anything else."""
    document = ObjectReference("bucket", "faces.json")
    client = FakeS3({(document.bucket, document.key): b'{"version": "\xff"}'})

    with pytest.raises(InvalidDocument, match=r"s3://bucket/faces\.json is not UTF-8"):
        Storage(client).read_text(document)


def test_text_comes_back_as_it_was_written() -> None:
    """Text is written and read as UTF-8."""
    storage = Storage(FakeS3())

    storage.write_json('{"name": "ü"}', PLACE)

    assert storage.read_text(PLACE) == '{"name": "ü"}'
