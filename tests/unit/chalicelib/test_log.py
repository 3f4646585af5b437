"""Log lines of an invocation: the request id, and the cold start."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from chalicelib.contract.log import EventLog

TWO_INVOCATIONS = """
from chalicelib.contract.log import EventLog

for _ in range(2):
    EventLog.of_invocation("blur-faces", None).info("started")
"""


@dataclass(frozen=True)
class Context:
    """The part of Lambda's context that the log reads."""

    aws_request_id: str


def test_every_line_carries_the_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the app can be found from Lambda's REPORT line, and the other way round."""
    log = EventLog.of_invocation("blur-faces", Context("a-request"), source="s3://input/clip.mp4")

    with log.handling():
        pass

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["request_id"] for line in lines] == ["a-request", "a-request"]


def test_first_invocation_of_a_process_is_the_cold_start() -> None:
    """Lambda reuses the process for later events: their lines say that it was warm."""
    ended = subprocess.run(
        [sys.executable, "-c", TWO_INVOCATIONS], capture_output=True, text=True, check=True
    )

    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["cold_start"] for line in lines] == [True, False]
