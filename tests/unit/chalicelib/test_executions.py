"""From S3 events to executions: every record counts, once."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.contract.errors import (
    ConfigurationError,
    InvalidDocument,
    RekognitionLimited,
    StorageUnavailable,
)
from chalicelib.contract.job import DetectionMode, DetectionStatus, Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import SourceObject
from chalicelib.executions import start_executions
from chalicelib.rekognition import FaceDetectionJobs
from chalicelib.settings import StartSettings, UploadLimit, VideoLimits
from tests.clips.mp4_boxes import Index, movie

SETTINGS = StartSettings("arn:machine", "output", detection=DetectionMode.REKOGNITION)
FILM = movie()


class FakeS3:
    """An input bucket in which every key holds the same film, and a work bucket.

    `versions` has what HEAD answers for a key: without an entry nothing is there.
    """

    def __init__(self, content: bytes = FILM, **versions: dict[str, Any]) -> None:
        self.calls: list[str] = []
        self.markers: list[str] = []
        self._content, self._versions = content, versions

    def head_object(self, *, Bucket: str, Key: str, IfMatch: str) -> dict[str, Any]:  # noqa: N803 boto3's words
        """Return what lies under the key now, if it has that ETag."""
        self.calls.append("head_object")
        found = self._versions.get(Key.partition(".")[0])
        if found is None or found["ETag"] != IfMatch:
            raise ClientError({"Error": {"Code": "412", "Message": Bucket}}, "HeadObject")
        return {"ContentLength": len(self._content), **found}

    def get_object(self, *, Range: str, **request: str) -> dict[str, Any]:  # noqa: N803 as above
        """Return a range of the film."""
        self.calls.append(f"get_object {request['VersionId']}")
        begin, end = (int(place) for place in Range.removeprefix("bytes=").split("-"))
        content = self._content[begin : end + 1]
        return {
            "Body": io.BytesIO(content),
            "ContentRange": f"bytes {begin}-{begin + len(content) - 1}/{len(self._content)}",
        }

    def put_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803 as above
        """Keep a marker."""
        self.markers = sorted({*self.markers, Key})

    def list_objects_v2(self, *, Prefix: str, MaxKeys: int, **_: Any) -> dict[str, Any]:  # noqa: N803 as above
        """List the first markers."""
        return {"Contents": [{"Key": key} for key in self.markers if key.startswith(Prefix)][:MaxKeys]}


class FakeJobs(FaceDetectionJobs):
    """Detection that starts, or raises what it is given for a key."""

    def __init__(self, **errors: Exception) -> None:
        super().__init__(None)
        self._errors = errors

    def start(self, source: SourceObject, token_number: int = 0) -> str:
        """Return a job id made from the key."""
        assert token_number == 0
        error = self._errors.get(source.key.partition(".")[0])
        if error:
            raise error
        return f"job of {source.key}"


class FakeStepFunctions:
    """Executions by name, as Step Functions keeps them."""

    class exceptions:  # noqa: N801 boto3's own name
        """The modelled exceptions of the client."""

        class ExecutionAlreadyExists(Exception):
            """Raised by Step Functions for a name that was used before."""

    def __init__(self, broken_prefix: str = "nothing-") -> None:
        self.inputs: dict[str, Job] = {}
        self._broken_prefix = broken_prefix

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, N803 boto3's words
        """Keep the execution, unless its name exists or is set to break."""
        assert stateMachineArn == SETTINGS.state_machine_arn
        if name.startswith(self._broken_prefix):
            answer: Any = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
            raise ClientError(answer, "StartExecution")
        if name in self.inputs:
            raise self.exceptions.ExecutionAlreadyExists(name)
        self.inputs[name] = Job.from_json(json.loads(input))


def make_event(
    *keys: str,
    bucket: str = "input",
    size: int = len(FILM),
    at: str = "2026-11-28T09:30:00.000Z",
    **given: Any,
) -> dict[str, Any]:
    """Return an S3 event with one record a key; `given` replaces fields of the object."""
    uploaded = {"size": size, "eTag": "e", "sequencer": "1", "versionId": "v", **given}
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "eventTime": at,
                "s3": {"bucket": {"name": bucket}, "object": {"key": key, **uploaded}},
            }
            for key in keys
        ]
    }


def start(
    event: dict[str, Any],
    jobs: FakeJobs,
    machine: FakeStepFunctions,
    s3: FakeS3 | None = None,
    settings: StartSettings = SETTINGS,
) -> str:
    """Handle `event` and return what was logged."""
    stream = io.StringIO()
    start_executions(event, settings, jobs, machine, s3 or FakeS3(), EventLog("face-detection", stream))
    return stream.getvalue()


def refused(machine: FakeStepFunctions) -> list[str]:
    """Return the names of the errors by which executions were refused."""
    return [job.failure.error for job in machine.inputs.values() if job.failure]


def test_event_without_records_starts_nothing_and_says_so() -> None:
    """S3's test event is answered with a logged reason."""
    machine = FakeStepFunctions()

    logged = start({"Event": "s3:TestEvent"}, FakeJobs(), machine)

    assert machine.inputs == {}
    assert "s3:TestEvent" in logged


def test_every_record_of_an_event_gets_its_execution() -> None:
    """S3 may put several uploads into one event."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4", "b.mp4", "c.MP4"), FakeJobs(), machine)

    assert [job.source.key for job in machine.inputs.values()] == ["a.mp4", "b.mp4", "c.MP4"]
    assert {job.detection.status for job in machine.inputs.values()} == {DetectionStatus.IN_PROGRESS}


def test_event_delivered_twice_starts_one_execution() -> None:
    """Twice is once."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4"), FakeJobs(), machine)
    start(make_event("a.mp4"), FakeJobs(), machine)

    assert len(machine.inputs) == 1


def test_record_that_is_ignored_is_logged_with_its_reason() -> None:
    """A directory next to a video costs the video nothing."""
    machine = FakeStepFunctions()

    logged = start(make_event("folder/", "a.mp4"), FakeJobs(), machine)

    assert len(machine.inputs) == 1
    assert "a directory, not an object" in logged


def test_unreadable_record_does_not_cost_the_others_theirs() -> None:
    """The broken record is an ERROR in the log, and its event ends in the dead-letter queue."""
    machine = FakeStepFunctions()
    event = make_event("a.mp4", "b.mp4")
    del event["Records"][0]["s3"]["bucket"]
    stream = io.StringIO()

    with pytest.raises(InvalidDocument):
        start_executions(event, SETTINGS, FakeJobs(), machine, FakeS3(), EventLog("face-detection", stream))

    assert [job.source.key for job in machine.inputs.values()] == ["b.mp4"]
    assert '"ERROR"' in stream.getvalue()


def test_record_that_fails_is_raised_after_the_others_had_their_turn() -> None:
    """Lambda then tries the whole event again."""
    machine = FakeStepFunctions(broken_prefix="a-")

    with pytest.raises(ClientError):
        start(make_event("a.mp4", "b.mp4"), FakeJobs(), machine)

    assert [job.source.key for job in machine.inputs.values()] == ["b.mp4"]


def test_rekognition_at_its_limit_leaves_the_start_to_the_state_machine() -> None:
    """The 21st upload is not lost: the machine can wait for a day, a Lambda cannot."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4"), FakeJobs(a=RekognitionLimited("20 open jobs")), machine)

    (job,) = machine.inputs.values()
    assert job.detection.status is DetectionStatus.NOT_STARTED


@pytest.mark.parametrize(("size", "error"), [(0, "EmptyObject"), (10**11, "ObjectTooLarge")])
def test_upload_that_can_never_be_analysed_ends_in_a_recorded_failure(size: int, error: str) -> None:
    """The execution starts all the same, and records why there is no output."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4", size=size), FakeJobs(), machine)

    (job,) = machine.inputs.values()
    assert job.detection.status is DetectionStatus.REFUSED
    assert job.failure is not None
    assert job.failure.error == error


@pytest.mark.parametrize(
    ("event", "jobs"),
    [
        (make_event("a.mp4", bucket="output"), FakeJobs()),
        (make_event("a.mp4"), FakeJobs(a=ConfigurationError("the role may not call this"))),
    ],
)
def test_wrong_set_up_fails_the_function(event: dict[str, Any], jobs: FakeJobs) -> None:
    """Outputs that are uploads again, or a missing permission: a person must act."""
    machine = FakeStepFunctions()

    with pytest.raises(ConfigurationError):
        start(event, jobs, machine)

    assert machine.inputs == {}


@pytest.mark.parametrize("named", [{}, {"versionId": None}, {"versionId": ""}, {"versionId": "null"}])
@pytest.mark.parametrize("answer", [None, {}, {"VersionId": "null"}])
def test_upload_without_a_version_ends_in_a_recorded_failure(
    named: dict[str, Any], answer: dict[str, Any] | None
) -> None:
    """Another could take its place before it is analysed, and the first again before it is blurred."""
    machine = FakeStepFunctions()
    s3 = FakeS3() if answer is None else FakeS3(a={"ETag": '"e"', **answer})
    event = make_event("a.mp4")
    del event["Records"][0]["s3"]["object"]["versionId"]
    event["Records"][0]["s3"]["object"].update(named)

    start(event, FakeJobs(), machine, s3)

    assert refused(machine) == ["SourceNotVersioned"]
    assert s3.calls == ["head_object"]


def test_event_without_a_version_takes_the_one_that_s3_names() -> None:
    """Chalice's test client and S3 Batch name none: one of the same ETag holds the same bytes for ever."""
    machine, s3 = FakeStepFunctions(), FakeS3(a={"ETag": '"e"', "VersionId": "v"})

    start(make_event("a.mp4", versionId=None, size=0), FakeJobs(), machine, s3)
    start(make_event("a.mp4"), FakeJobs(), machine, s3)

    (job,) = machine.inputs.values()
    assert (job.source.version_id, job.source.size_bytes) == ("v", len(FILM))
    assert s3.calls == ["head_object", "get_object v", "get_object v"]


def test_refused_upload_has_one_execution_however_its_version_was_found() -> None:
    """Its name is made from the version that S3 named."""
    machine = FakeStepFunctions()
    found = FakeS3(b"", a={"ETag": '"e"', "VersionId": "v"})

    start(make_event("a.mp4", versionId=None), FakeJobs(), machine, found)
    start(make_event("a.mp4", size=0), FakeJobs(), machine, found)

    assert refused(machine) == ["EmptyObject"]


def test_event_about_an_object_that_was_overwritten_is_refused() -> None:
    """The version that S3 names now is another upload."""
    machine = FakeStepFunctions()

    start(
        make_event("a.mp4", versionId=None), FakeJobs(), machine, FakeS3(a={"ETag": '"f"', "VersionId": "v"})
    )

    assert refused(machine) == ["SourceNotVersioned"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (VideoLimits(max_duration_s=9), "is 10 s long; the limit MAX_DURATION_S is 9"),
        (VideoLimits(max_pixels=230_399), "640x360, 230400 pixels; the limit MAX_PIXELS is 230399"),
    ],
)
def test_video_over_a_limit_ends_in_a_recorded_failure(limits: VideoLimits, words: str) -> None:
    """Before Rekognition is paid for it; the failure names both numbers and the setting."""
    machine = FakeStepFunctions()

    logged = start(
        make_event("a.mp4"), FakeJobs(), machine, settings=StartSettings("arn:machine", "output", limits)
    )

    (job,) = machine.inputs.values()
    assert refused(machine) == ["VideoTooLarge"]
    assert words in str(job.failure)
    assert "detection started" not in logged


@pytest.mark.parametrize("limits", [VideoLimits(max_duration_s=10, max_pixels=230_400)])
def test_video_at_its_limits_is_taken(limits: VideoLimits) -> None:
    """Both are the largest that is allowed."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4"), FakeJobs(), machine, settings=StartSettings("arn:machine", "output", limits))

    assert refused(machine) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"Dear Sir or Madam", "NotAVideo"), (movie(Index(handler=b"soun")), "NoVideoStream")],
)
def test_what_is_no_video_is_refused_before_it_is_analysed(content: bytes, error: str) -> None:
    """What a detection of it would cost cannot be told."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4", size=len(content)), FakeJobs(), machine, FakeS3(content))

    (job,) = machine.inputs.values()
    assert refused(machine) == [error]
    assert job.failure is not None
    assert "s3://input/a.mp4" in job.failure.cause


def test_started_detection_is_logged_with_its_minutes() -> None:
    """They are what Rekognition is paid by; an alarm sums them up."""
    logged = start(make_event("a.mp4"), FakeJobs(), FakeStepFunctions()).splitlines()

    (line,) = [json.loads(line) for line in logged if "detection started" in line]
    assert (line["message"], line["video_minutes"]) == ("detection started", 0.167)


@pytest.mark.parametrize("size", [len(FILM) - 1, len(FILM) + 1])
def test_object_of_another_size_is_not_the_upload(size: int) -> None:
    """A range of anything else may be the whole of it."""
    machine = FakeStepFunctions()

    start(make_event("a.mp4", size=size), FakeJobs(), machine)

    assert refused(machine) == ["SourceChanged"]


LIMITED = StartSettings("arn:machine", "output", upload_limit=UploadLimit(2, "work"))


def counted(s3: FakeS3, machine: FakeStepFunctions, *keys: str, at: str = "2026-11-28T09:30:00.000Z") -> None:
    """Handle an event for each key, a version each."""
    for key in keys:
        start(make_event(key, at=at), FakeJobs(), machine, s3, LIMITED)


def test_uploads_of_a_prefix_over_the_limit_end_in_a_recorded_failure() -> None:
    """The third of an hour."""
    s3, machine = FakeS3(), FakeStepFunctions()

    counted(s3, machine, "user/a.mp4", at="2026-11-28T09:30:00.000Z")
    counted(s3, machine, "user/b.mp4", at="2026-11-28T09:31:00.000Z")
    counted(s3, machine, "user/c.mp4", at="2026-11-28T09:32:00.000Z")

    assert refused(machine) == ["UploadLimitExceeded"]


def test_upload_told_of_again_is_counted_once_and_answered_as_before() -> None:
    """Later ones do not push it out, and it takes no second place."""
    s3, machine, again = FakeS3(), FakeStepFunctions(), FakeStepFunctions()
    counted(s3, machine, "a.mp4", "a.mp4", at="2026-11-28T09:30:00.000Z")
    counted(s3, machine, "b.mp4", at="2026-11-28T09:31:00.000Z")
    counted(s3, machine, "c.mp4", at="2026-11-28T09:32:00.000Z")

    counted(s3, again, "b.mp4", at="2026-11-28T09:31:00.000Z")

    assert refused(machine) == ["UploadLimitExceeded"]
    assert refused(again) == []


@pytest.mark.parametrize(
    ("key", "at"), [("other/c.mp4", "2026-11-28T09:32:00.000Z"), ("user/c.mp4", "2026-11-28T10:00:00.000Z")]
)
def test_other_prefix_and_next_hour_have_room(key: str, at: str) -> None:
    """One uploader does not take another's place."""
    s3, machine = FakeS3(), FakeStepFunctions()
    counted(s3, machine, "user/a.mp4", "user/b.mp4")

    counted(s3, machine, key, at=at)

    assert refused(machine) == []


@pytest.mark.parametrize("at", [None, "", "yesterday", "2026-11-28T09:30:00+01:00", "../../etc"])
def test_event_without_a_time_cannot_be_counted(at: Any) -> None:
    """It ends in the dead-letter queue: a made-up hour would have room."""
    with pytest.raises(InvalidDocument):
        start(make_event("a.mp4", at=at), FakeJobs(), FakeStepFunctions(), settings=LIMITED)


def test_list_without_its_own_marker_is_no_answer() -> None:
    """Absent is not empty: the marker was written a moment ago."""

    class Silent(FakeS3):
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            return {}

    with pytest.raises(StorageUnavailable):
        start(make_event("a.mp4"), FakeJobs(), FakeStepFunctions(), Silent(), LIMITED)
