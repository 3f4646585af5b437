"""What `make status` shows of one execution."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.contract.job import DetectionMode, DetectionProgress, DetectionStatus, Job
from chalicelib.contract.objects import SourceObject
from deploy.executions import ExecutionReport, redrive

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
JOB = Job(SourceObject("in", "my clip.mp4", "v", "e", "1", 1), DetectionProgress(DetectionStatus.IN_PROGRESS))
RUNNING = ExecutionReport("my-clip-1", "RUNNING", NOW, JOB)


@dataclass
class OneFailed:
    """Step Functions with one execution, which failed; it may be started again."""

    error: str
    job: Job = JOB
    started: Job | None = None
    exceptions = SimpleNamespace(StateMachineDoesNotExist=LookupError, ExecutionAlreadyExists=KeyError)

    def get_paginator(self, _name: str) -> OneFailed:
        """Return the list of executions."""
        return self

    def paginate(self, **_request: str) -> list[dict[str, Any]]:
        """Return its one page."""
        return [{"executions": [{"executionArn": "arn:execution", "status": "FAILED"}]}]

    def describe_execution(self, **_request: str) -> dict[str, Any]:
        """Return the execution."""
        told = {"name": "my-clip-1", "status": "FAILED", "startDate": NOW, "error": self.error}
        return {**told, "input": json.dumps(self.job.to_json())}

    def start_execution(self, **request: str) -> None:
        """Start another."""
        self.started = Job.from_json(json.loads(request["input"]))


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_age_is_one_number_and_its_unit(age: timedelta, shown: str) -> None:
    """People look for minutes or days."""
    assert f" {shown}  s3://in/my clip.mp4" in replace(RUNNING, started=NOW - age).line(NOW)


def test_failure_shows_its_name_and_cause() -> None:
    """Both, on the same line."""
    failed = replace(RUNNING, status="FAILED", error="NotAVideo", cause="cannot be opened")

    assert failed.line(NOW).endswith("s3://in/my clip.mp4  NotAVideo: cannot be opened")


def test_unreadable_input_is_said() -> None:
    """An execution that somebody started by hand."""
    assert "(unreadable input)" in replace(RUNNING, job=None).line(NOW)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Superseded", "left        s3://in/my clip.mp4: a newer upload of the same key has taken its place"),
        ("DetectionFailed", "started     s3://in/my clip.mp4"),
        ("StorageUnavailable", "started     s3://in/my clip.mp4"),
    ],
)
def test_only_what_may_end_better_is_started_again(error: str, line: str) -> None:
    """An older upload of a key would be superseded again."""
    (told,) = redrive(OneFailed(error), "arn:machine")

    assert told.startswith(line)


@pytest.mark.parametrize(
    ("error", "number"), [("StorageUnavailable", 2), ("DetectionFailed", 3), ("DetectionExpired", 3)]
)
def test_lost_job_takes_the_next_request_token(error: str, number: int) -> None:
    """Rekognition answers the same token with the same job: with the failed one for a week."""
    detection = DetectionProgress(DetectionStatus.AGAIN, token_number=2)
    machine = OneFailed(error, JOB.with_detection(detection))

    redrive(machine, "arn:machine", mode=DetectionMode.REKOGNITION)

    assert machine.started is not None
    assert machine.started.detection == replace(detection, token_number=number)


@pytest.mark.parametrize("mode", list(DetectionMode))
def test_a_redrive_takes_the_detectors_of_the_stage_as_it_is_now(mode: DetectionMode) -> None:
    """What Rekognition could not analyse helps itself once the stage wants both."""
    skipped = DetectionProgress(DetectionStatus.NOT_STARTED).by_container_only(ValueError("no codec"))
    machine = OneFailed("DetectionFailed", JOB.with_detection(skipped))

    redrive(machine, "arn:machine", mode=mode)

    assert machine.started is not None
    assert (machine.started.detection.mode, machine.started.detection.skipped) == (mode, None)


def test_second_try_belongs_to_the_first_upload() -> None:
    """A redrive gets another name."""
    assert replace(RUNNING, name="my-clip-1-again-1").upload == RUNNING.upload
