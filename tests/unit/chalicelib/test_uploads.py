"""Reading S3 events: what is an upload, what is not, and what can never be analysed."""

import json
from typing import Any

import pytest

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import MAX_SOURCE_BYTES
from chalicelib.contract.objects import SourceObject
from chalicelib.uploads import Ignored, read_record, read_records, refusal, uploaded_at


def make_record(
    key: str = "clip.mp4", event_name: str = "ObjectCreated:Put", **uploaded: Any
) -> dict[str, Any]:
    """Return a record as S3 sends it; `uploaded` replaces fields of the object."""
    s3_object = {"key": key, "size": 100, "eTag": "etag1", "sequencer": "00A1", "versionId": "v1", **uploaded}
    return {"eventName": event_name, "s3": {"bucket": {"name": "input"}, "object": s3_object}}


def make_bridge_event(
    key: str = "clip.mp4",
    kind: str = "Object Created",
    origin: str = "aws.s3",
    version_id: str | None = "v1",
    **uploaded: Any,
) -> dict[str, Any]:
    """Return an event as EventBridge sends it; `uploaded` replaces fields of the object."""
    s3_object = {"key": key, "size": 100, "etag": "etag1", "sequencer": "00A1", **uploaded}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": origin,
        "account": "123456789012",
        "time": "2026-11-28T09:30:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::input"],
        "detail": {
            "version": "0",
            "bucket": {"name": "input"},
            "object": {**s3_object, "version-id": version_id},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }


S3_EVENT = {"Records": [make_record()]}
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "input"}


def through_sns(event: object) -> dict[str, Any]:
    """Return what SNS hands to a function."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": envelope(event)}]}


def envelope(event: object) -> dict[str, Any]:
    """Return a notification of SNS."""
    return {"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": json.dumps(event)}


def through_sqs(*events: object) -> dict[str, Any]:
    """Return what Lambda reads from a queue: one record a message."""
    return {
        "Records": [
            {"messageId": "m", "eventSource": "aws:sqs", "body": json.dumps(event)} for event in events
        ]
    }


ROADS = {
    "S3": S3_EVENT,
    "SNS": through_sns(S3_EVENT),
    "SQS": through_sqs(S3_EVENT),
    "SNS to SQS": through_sqs(envelope(S3_EVENT)),
    "SNS to SQS, raw": through_sqs(S3_EVENT),
    "EventBridge": make_bridge_event(),
    "EventBridge to SNS": through_sns(make_bridge_event()),
    "EventBridge to SQS": through_sqs(make_bridge_event()),
    "EventBridge to SNS to SQS": through_sqs(envelope(make_bridge_event())),
}


@pytest.mark.parametrize("road", ROADS)
def test_upload_is_the_same_by_every_road(road: str) -> None:
    """Two roads that tell of one upload give one execution: its name comes from these fields."""
    (record,) = read_records(ROADS[road])

    assert read_record(record) == SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)


@pytest.mark.parametrize("key", ["a+b.mp4", "100%25.mp4", "k\u00e4se/ tag.mp4", "%FF.mp4"])
def test_key_of_event_bridge_is_taken_as_it_is(key: str) -> None:
    """Only S3's own events encode it."""
    source = read_record(make_bridge_event(key))

    assert isinstance(source, SourceObject)
    assert source.key == key


@pytest.mark.parametrize(
    "record",
    [
        make_bridge_event("folder.mp4/"),
        make_bridge_event("clip.mov"),
        make_bridge_event(kind="Object Deleted"),
        make_bridge_event(kind="Object Tags Added"),
    ],
)
def test_what_is_no_upload_is_ignored_on_event_bridge_too(record: dict[str, Any]) -> None:
    """A rule may pass on more than uploads."""
    assert isinstance(read_record(record), Ignored)


@pytest.mark.parametrize(
    "record",
    [
        make_bridge_event(origin="aws.ec2"),
        {**make_bridge_event(), "detail": None},
        make_bridge_event(size="100"),
        make_bridge_event(etag=None),
        make_bridge_event(sequencer=None),
        {**make_bridge_event(), "detail-type": 7},
    ],
)
def test_unreadable_event_of_event_bridge_is_refused_by_name(record: dict[str, Any]) -> None:
    """It ends in the dead-letter queue, and is not forgotten."""
    with pytest.raises(InvalidDocument):
        read_record(record)


@pytest.mark.parametrize("event", [through_sns(TEST_EVENT), through_sqs(TEST_EVENT, envelope(TEST_EVENT))])
def test_test_event_has_no_records_by_any_road(event: dict[str, Any]) -> None:
    """S3 sends it to a topic or queue too."""
    assert read_records(event) == []


@pytest.mark.parametrize(
    "body",
    [
        {"hello": "world"},
        "not an object",
        S3_EVENT["Records"],
        {"Type": "SubscriptionConfirmation", "Message": "m"},
        {"Type": "Notification"},
        through_sqs(through_sqs(through_sqs(S3_EVENT))),
    ],
)
def test_unreadable_message_costs_the_others_nothing(body: object) -> None:
    """It fails alone: the uploads of the other messages are started before."""
    unreadable, record = read_records(through_sqs(body, S3_EVENT))

    with pytest.raises(InvalidDocument):
        read_record(unreadable)
    assert isinstance(read_record(record), SourceObject)


def test_every_record_of_every_message_is_read() -> None:
    """Two messages, three records."""
    event = through_sqs({"Records": [make_record("a.mp4"), make_record("b.mp4")]}, make_bridge_event("c.mp4"))

    sources = [read_record(record) for record in read_records(event)]

    assert [source.key for source in sources] == ["a.mp4", "b.mp4", "c.mp4"]


def test_time_of_an_upload_is_the_same_by_every_road() -> None:
    """EventBridge tells no milliseconds: the hour's limit counts an upload once."""
    of_s3 = {**make_record(), "eventTime": "2026-11-28T09:30:00.123Z"}

    assert uploaded_at(of_s3) == uploaded_at(make_bridge_event()) == "2026-11-28T09:30:00Z"


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


S3_BATCH = {
    "invocationSchemaVersion": "2.0",
    "invocationId": "i",
    "job": {"id": "j"},
    "tasks": [{"taskId": "t", "s3Key": "clip.mp4", "s3VersionId": "v1", "s3Bucket": "input"}],
}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Event": "s3:TestEvent ", "Bucket": "input"},
        {"Records": None},
        {"Records": []},
        S3_BATCH,
        {"tasks": []},
    ],
)
def test_event_without_its_records_is_refused_by_name(event: dict[str, Any]) -> None:
    """Absent is not empty: the uploads that it should tell of would be lost without a word."""
    with pytest.raises(InvalidDocument):
        read_records(event)


@pytest.mark.parametrize("version_id", [None, "", "null"])
@pytest.mark.parametrize("road", ["S3", "EventBridge"])
def test_version_that_is_none_is_read_as_none(road: str, version_id: str | None) -> None:
    """A bucket whose versioning was suspended calls every object `null`, and keeps the last."""
    records = {
        "S3": make_record(versionId=version_id),
        "EventBridge": make_bridge_event(version_id=version_id),
    }

    source = read_record(records[road])

    assert isinstance(source, SourceObject)
    assert source.version_id is None
