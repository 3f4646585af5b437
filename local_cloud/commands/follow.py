"""Follows one execution while it runs: the states it enters, the frames it renders, its result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local_cloud.errors import NoExecution

POLL_S = 0.2
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}

# The messages of log lines that report the renderer's progress.
_STEPS = ("locating", "rendering", "assembling")


@dataclass(frozen=True)
class StateEntered:
    """The execution entered state `name` for the first time, `after_s` seconds after its start."""

    name: str
    after_s: float


@dataclass(frozen=True)
class FramesRendered:
    """The renderer has finished `frames` of `frames_total`."""

    frames: int
    frames_total: int


@dataclass(frozen=True)
class Ended:
    """The execution ended: with `output`, its last payload, or with an error and its cause."""

    status: str
    output: dict[str, Any]
    error: str
    cause: str


def wait_for_execution(stepfunctions: Any, execution_arn: str, timeout_s: float) -> None:
    """Wait until the execution has started; raise NoExecution."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            stepfunctions.describe_execution(executionArn=execution_arn)
        except stepfunctions.exceptions.ExecutionDoesNotExist:
            time.sleep(POLL_S)
        else:
            return
    raise NoExecution(f"The upload did not start {execution_arn} within {timeout_s:.0f} s.")


def follow(
    stepfunctions: Any,
    logs: Any,
    execution_arn: str,
    log_group: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[StateEntered | FramesRendered | Ended]:
    """Yield the events of the execution until it ends; `log_group` is the renderer's."""
    seen: set[str] = set()
    frames = 0
    while True:
        described = stepfunctions.describe_execution(executionArn=execution_arn)
        for event in _entered(stepfunctions, execution_arn, described["startDate"]):
            if event.name not in seen:
                seen.add(event.name)
                yield event
        rendered = _rendered(logs, log_group, execution_arn)
        if rendered and rendered.frames > frames:
            frames = rendered.frames
            yield rendered
        if described["status"] in _ENDED:
            output = json.loads(described.get("output") or "{}")
            yield Ended(described["status"], output, described.get("error", ""), described.get("cause", ""))
            return
        sleep(POLL_S)


def _entered(stepfunctions: Any, execution_arn: str, started: Any) -> Iterator[StateEntered]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for event in (event for page in pages for event in page["events"]):
        entered = event.get("stateEnteredEventDetails")
        if entered:
            yield StateEntered(entered["name"], (event["timestamp"] - started).total_seconds())


def _rendered(logs: Any, log_group: str, execution_arn: str) -> FramesRendered | None:
    """Return the latest progress in the renderer's log, or None where there is none yet."""
    try:
        events = logs.filter_log_events(logGroupName=log_group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return None
    lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
    progress = [
        FramesRendered(line["frames"], line["frames_total"])
        for line in lines
        if line.get("message") in _STEPS and line.get("execution") == execution_arn
    ]
    return progress[-1] if progress else None
