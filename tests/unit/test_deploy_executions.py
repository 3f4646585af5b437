"""What `make status` shows of one execution."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Job
from chalicelib.contract.objects import SourceObject
from deploy.executions import ExecutionReport

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
JOB = Job(SourceObject("in", "my clip.mp4", "v", "e", "1", 1), DetectionProgress(DetectionStatus.IN_PROGRESS))
RUNNING = ExecutionReport("my-clip-1", "RUNNING", NOW, JOB)


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


def test_second_try_belongs_to_the_first_upload() -> None:
    """A redrive gets another name."""
    assert replace(RUNNING, name="my-clip-1-again-1").upload == RUNNING.upload
