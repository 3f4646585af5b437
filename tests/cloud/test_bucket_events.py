"""Events of buckets: which uploads are told, how often, and what the record says."""

from __future__ import annotations

from urllib.parse import unquote_plus

import pytest

from tests.clouds.tiny import TinyCloud, Watch

PART_BYTES = 5 * 1024 * 1024


def test_bucket_without_configuration_has_an_empty_one(tiny: TinyCloud) -> None:
    """A bucket that tells nobody answers an empty configuration."""
    tiny.cloud.client("s3").create_bucket(Bucket="silent")

    answer = tiny.cloud.client("s3").get_bucket_notification_configuration(Bucket="silent")

    assert "LambdaFunctionConfigurations" not in answer


def test_record_says_what_s3_says(tiny: TinyCloud) -> None:
    """The record has the event, the bucket, the key, the size and the ETag of the upload."""
    tiny.watched_bucket("recorded", Watch())
    answer = tiny.upload("recorded", "clip.mp4", b"eight by")

    [record] = tiny.received("recorded", 1)

    assert (record["eventSource"], record["eventName"]) == ("aws:s3", "ObjectCreated:Put")
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::recorded"
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("clip.mp4", 8)
    assert record["s3"]["object"]["eTag"] == answer["ETag"].strip('"')


def test_version_is_told_where_versioning_is_on(tiny: TinyCloud) -> None:
    """The record names the version that the upload made."""
    tiny.watched_bucket("versioned", Watch())
    tiny.cloud.client("s3").put_bucket_versioning(
        Bucket="versioned", VersioningConfiguration={"Status": "Enabled"}
    )
    answer = tiny.upload("versioned", "clip.mp4")

    [record] = tiny.received("versioned", 1)

    assert record["s3"]["object"]["versionId"] == answer["VersionId"]


def test_version_is_absent_where_versioning_is_off(tiny: TinyCloud) -> None:
    """The record of an unversioned bucket has no versionId."""
    tiny.watched_bucket("unversioned", Watch())
    tiny.upload("unversioned", "clip.mp4")

    [record] = tiny.received("unversioned", 1)

    assert "versionId" not in record["s3"]["object"]


def test_later_uploads_have_larger_sequencers(tiny: TinyCloud) -> None:
    """Sequencers of one key grow with each upload, as text."""
    tiny.watched_bucket("sequence", Watch())
    tiny.upload("sequence", "clip.mp4", b"1")
    [first] = tiny.received("sequence", 1)
    tiny.upload("sequence", "clip.mp4", b"22")

    both = tiny.received("sequence", 2)

    [second] = [record for record in both if record["s3"]["object"]["size"] == 2]
    assert second["s3"]["object"]["sequencer"] > first["s3"]["object"]["sequencer"]


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("two words.mp4", "two+words.mp4"),
        ("a+b.mp4", "a%2Bb.mp4"),
        ("folder/clip.mp4", "folder/clip.mp4"),
        ("Gesicht-ä-顔.mp4", "Gesicht-%C3%A4-%E9%A1%94.mp4"),
        ("100%25 & more?#.mp4", "100%2525+%26+more%3F%23.mp4"),
    ],
    ids=["space", "plus", "slash", "unicode", "percent"],
)
def test_odd_key_arrives_url_encoded(
    tiny: TinyCloud, key: str, encoded: str, request: pytest.FixtureRequest
) -> None:
    """Keys are encoded in the record, and decode to the key of the upload."""
    bucket = f"odd-{request.node.callspec.id.rpartition('-')[2]}"
    tiny.watched_bucket(bucket, Watch())
    tiny.upload(bucket, key)

    [record] = tiny.received(bucket, 1)

    assert record["s3"]["object"]["key"] == encoded
    assert unquote_plus(record["s3"]["object"]["key"]) == key


def test_suffix_knows_case(tiny: TinyCloud) -> None:
    """A notification for .mp4 ignores .MP4."""
    tiny.watched_bucket("suffix", Watch(suffix=".mp4"))
    tiny.upload("suffix", "capitals.MP4")
    tiny.upload("suffix", "small.mp4")

    assert tiny.received_keys("suffix", 1) == ["small.mp4"]


def test_prefix_is_the_start_of_the_key(tiny: TinyCloud) -> None:
    """Keys outside the prefix are not told."""
    tiny.watched_bucket("prefix", Watch(prefix="in/"))
    tiny.upload("prefix", "out/in/clip.mp4")
    tiny.upload("prefix", "in/clip.mp4")

    assert tiny.received_keys("prefix", 1) == ["in/clip.mp4"]


def test_other_kinds_of_event_are_not_told(tiny: TinyCloud) -> None:
    """A bucket that tells copies does not tell uploads."""
    tiny.watched_bucket("copies", Watch(events=["s3:ObjectCreated:Copy"]))
    tiny.upload("copies", "original.mp4")
    tiny.cloud.client("s3").copy_object(
        Bucket="copies", Key="copy.mp4", CopySource={"Bucket": "copies", "Key": "original.mp4"}
    )

    [record] = tiny.received("copies", 1)

    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Copy", "copy.mp4")


def test_multipart_upload_is_told_once(tiny: TinyCloud) -> None:
    """Parts are no objects: only their completion is told, with the whole size."""
    tiny.watched_bucket("parts", Watch())
    s3 = tiny.cloud.client("s3")
    upload_id = s3.create_multipart_upload(Bucket="parts", Key="long.mp4")["UploadId"]
    names = {"Bucket": "parts", "Key": "long.mp4", "UploadId": upload_id}
    first = s3.upload_part(**names, PartNumber=1, Body=b"a" * PART_BYTES)
    second = s3.upload_part(**names, PartNumber=2, Body=b"b")
    parts = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}]
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})

    [record] = tiny.received("parts", 1)

    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert record["s3"]["object"]["size"] == PART_BYTES + 1


def test_failed_upload_is_not_told(tiny: TinyCloud) -> None:
    """An upload that S3 refuses makes no event."""
    tiny.watched_bucket("refused", Watch())
    s3 = tiny.cloud.client("s3")
    with pytest.raises(s3.exceptions.ClientError):
        s3.copy_object(Bucket="refused", Key="clip.mp4", CopySource="refused/not-there.mp4")
    tiny.upload("refused", "other.mp4")

    assert tiny.received_keys("refused", 1) == ["other.mp4"]


def test_changed_tags_are_not_told(tiny: TinyCloud) -> None:
    """A PUT of a subresource creates no object."""
    tiny.watched_bucket("tags", Watch())
    tiny.upload("tags", "clip.mp4")
    tiny.cloud.client("s3").put_object_tagging(
        Bucket="tags", Key="clip.mp4", Tagging={"TagSet": [{"Key": "seen", "Value": "yes"}]}
    )

    assert tiny.received_keys("tags", 1) == ["clip.mp4"]


def test_two_functions_share_a_bucket_by_suffix(tiny: TinyCloud) -> None:
    """Configurations that cannot meet on one key stand side by side."""
    small = tiny.watched_bucket("shared", Watch(suffix=".mp4"))
    tiny.cloud.client("s3").put_bucket_notification_configuration(
        Bucket="shared",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                _configuration(small, ".mp4"),
                _configuration(small, ".MP4"),
            ]
        },
    )
    tiny.upload("shared", "a.mp4")
    tiny.upload("shared", "B.MP4")

    assert tiny.received_keys("shared", 2) == ["B.MP4", "a.mp4"]


def test_overlapping_configurations_are_refused(tiny: TinyCloud) -> None:
    """S3 takes no two configurations that one upload would match."""
    arn = tiny.watched_bucket("overlap", Watch())
    configurations = [_configuration(arn, ".mp4"), _configuration(arn, "4")]
    s3 = tiny.cloud.client("s3")

    with pytest.raises(s3.exceptions.ClientError, match="Configurations overlap"):
        s3.put_bucket_notification_configuration(
            Bucket="overlap", NotificationConfiguration={"LambdaFunctionConfigurations": configurations}
        )


def test_unknown_function_is_refused(tiny: TinyCloud) -> None:
    """A bucket cannot tell a function that was not deployed."""
    s3 = tiny.cloud.client("s3")
    s3.create_bucket(Bucket="to-nobody")

    with pytest.raises(s3.exceptions.ClientError, match="Unable to validate"):
        tiny.watch("to-nobody", "arn:aws:lambda:us-east-1:123456789012:function:nobody", Watch())


def test_unknown_bucket_is_refused(tiny: TinyCloud) -> None:
    """A bucket that does not exist has no configuration."""
    s3 = tiny.cloud.client("s3")

    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.get_bucket_notification_configuration(Bucket="not-there")


def _configuration(function_arn: str, suffix: str) -> dict[str, object]:
    rules = [{"Name": "suffix", "Value": suffix}]
    return {
        "LambdaFunctionArn": function_arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
