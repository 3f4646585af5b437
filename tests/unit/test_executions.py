"""From S3 events to executions: every record counts, once."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.contract.errors import ConfigurationError, InvalidDocument, RekognitionLimited
from chalicelib.contract.job import DetectionStatus, Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import SourceObject
from chalicelib.executions import start_executions
from chalicelib.rekognition import FaceDetectionJobs
from chalicelib.settings import StartSettings

SETTINGS = StartSettings("arn:machine", "output")


class FakeJobs(FaceDetectionJobs):
    """Detection that starts, or raises what it is given for a key."""

    def __init__(self, **errors: Exception) -> None:
        super().__init__(None)
        self._errors = errors

    def start(self, source: SourceObject) -> str:
        """Return a job id made from the key."""
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


def make_event(*keys: str, bucket: str = "input", size: int = 100) -> dict[str, Any]:
    """Return an S3 event with one record a key."""
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {"key": key, "size": size, "eTag": "e", "sequencer": "1", "versionId": "v"},
                },
            }
            for key in keys
        ]
    }


def start(event: dict[str, Any], jobs: FakeJobs, machine: FakeStepFunctions) -> str:
    """Handle `event` and return what was logged."""
    stream = io.StringIO()
    start_executions(event, SETTINGS, jobs, machine, EventLog("face-detection", stream))
    return stream.getvalue()


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
        start_executions(event, SETTINGS, FakeJobs(), machine, EventLog("face-detection", stream))

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
