"""Reading S3 events: what is an upload, what is not, and what can never be analysed."""

from typing import Any

import pytest

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import MAX_SOURCE_BYTES
from chalicelib.contract.objects import SourceObject
from chalicelib.uploads import Ignored, read_record, read_records, refusal


def make_record(
    key: str = "clip.mp4", event_name: str = "ObjectCreated:Put", **uploaded: Any
) -> dict[str, Any]:
    """Return a record as S3 sends it; `uploaded` replaces fields of the object."""
    s3_object = {"key": key, "size": 100, "eTag": "etag1", "sequencer": "00A1", "versionId": "v1", **uploaded}
    return {"eventName": event_name, "s3": {"bucket": {"name": "input"}, "object": s3_object}}


def test_test_event_has_no_records() -> None:
    """S3 sends this when a notification is set up."""
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "input"}

    assert read_records(event) == []


def test_records_that_are_no_list_are_refused_by_name() -> None:
    """A forged event is unreadable, not a crash."""
    with pytest.raises(InvalidDocument):
        read_records({"Records": "clip.mp4"})


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("clip.mp4", "clip.mp4"),
        ("my+holiday.mp4", "my holiday.mp4"),
        ("a%2Bb.mp4", "a+b.mp4"),
        ("k%C3%A4se/%E6%97%A5.mp4", "käse/日.mp4"),
        ("100%25.mp4", "100%.mp4"),
        ("CLIP.MP4", "CLIP.MP4"),
    ],
)
def test_key_is_decoded_as_s3_encoded_it(sent: str, key: str) -> None:
    """S3 URL-encodes keys in events, with + for a space."""
    source = read_record(make_record(sent))

    assert isinstance(source, SourceObject)
    assert source.key == key


def test_upload_is_pinned_to_its_version() -> None:
    """Version, ETag, sequencer and size travel with the job."""
    source = read_record(make_record())

    assert source == SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)


@pytest.mark.parametrize(
    "record",
    [
        make_record("folder/"),
        make_record("folder.mp4/"),
        make_record("clip.mov"),
        make_record("clip.mp4.txt"),
        make_record(event_name="ObjectRemoved:Delete"),
    ],
)
def test_what_is_no_upload_of_a_video_is_ignored_with_a_reason(record: dict[str, Any]) -> None:
    """Directories, other suffixes and other events ask for nothing."""
    ignored = read_record(record)

    assert isinstance(ignored, Ignored)
    assert ignored.reason


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"eventName": "ObjectCreated:Put", "s3": None},
        make_record(size=-1),
        make_record(size="100"),
        make_record(eTag=None),
        make_record(sequencer=None),
    ],
)
def test_unreadable_record_is_refused_by_name(record: object) -> None:
    """A record that cannot identify its upload must not start anything."""
    with pytest.raises(InvalidDocument):
        read_record(record)


@pytest.mark.parametrize(
    ("size_bytes", "error"),
    [(0, "EmptyObject"), (1, None), (MAX_SOURCE_BYTES, None), (MAX_SOURCE_BYTES + 1, "ObjectTooLarge")],
)
def test_sizes_that_can_never_be_analysed_are_refused(size_bytes: int, error: str | None) -> None:
    """Empty objects and those over 10 GB end with a named error instead of a Rekognition job."""
    source = SourceObject("input", "clip.mp4", None, "etag1", "00A1", size_bytes)

    found = refusal(source)

    assert (type(found).__name__ if found else None) == error


@pytest.mark.parametrize("event", [{}, {"Event": "s3:TestEvent ", "Bucket": "input"}, {"Records": None}])
def test_event_without_its_records_is_refused_by_name(event: dict[str, Any]) -> None:
    """Absent is not empty: the uploads that it should tell of would be lost without a word."""
    with pytest.raises(InvalidDocument):
        read_records(event)


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_version_that_is_none_is_read_as_none(version_id: str | None) -> None:
    """A bucket whose versioning was suspended calls every object `null`, and keeps the last."""
    source = read_record(make_record(versionId=version_id))

    assert isinstance(source, SourceObject)
    assert source.version_id is None
