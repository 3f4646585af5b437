"""Count the calls of a storm by caller and action, with refusals, and sum up run times of functions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.cloud import LocalCloud
from local_cloud.http.iam_calls import AnsweredCall

INVOKE = "lambda:InvokeFunction"
START_DETECTION = "rekognition:StartFaceDetection"
GET_DETECTION = "rekognition:GetFaceDetection"
START_EXECUTION = "states:StartExecution"
_REFUSALS = (
    "TooManyRequestsException",
    "LimitExceededException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
)
_FUNCTION_ERROR = "Unhandled"
_DURATION = re.compile(
    r"^REPORT .*?\tDuration: (?P<run>[\d.]+) ms(?:.*\tInit Duration: (?P<init>[\d.]+) ms)?"
)
_REDIRECTIONS = 300
_GROUPS = "/aws/lambda/"
_MS_PER_S = 1000


@dataclass
class Calls:
    """Calls of one action: all, successful, refused by a quota or throttle, and other errors by name."""

    asked: int = 0
    done: int = 0
    refused: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def add(self, answered: AnsweredCall, count: int) -> None:
        """Count an answer."""
        self.asked += count
        if answered.error in _REFUSALS:
            self.refused += count
        elif answered.error == _FUNCTION_ERROR or answered.status >= _REDIRECTIONS:
            self.other[answered.error or str(answered.status)] += count
        else:
            self.done += count


@dataclass(frozen=True)
class FunctionTime:
    """Number of runs of a function and their total seconds, cold starts included."""

    runs: int
    seconds: float


def calls_by_action(answers: Mapping[AnsweredCall, int]) -> dict[tuple[str, str], Calls]:
    """Return the calls by caller and action; calls of the state machine include the function's name."""
    found: dict[tuple[str, str], Calls] = defaultdict(Calls)
    for answered, count in answers.items():
        call = answered.call
        if call.action.startswith("logs:"):
            continue  # The local cloud writes logs on behalf of its functions.
        target = f" {call.resource.rpartition(':')[2]}" if call.action == INVOKE else ""
        found[call.principal, call.action + target].add(answered, count)
    return dict(sorted(found.items()))


def total(calls: Mapping[tuple[str, str], Calls], of: Callable[[str], bool]) -> Calls:
    """Return the sum of the calls whose action fulfils `of`."""
    summed = Calls()
    for (_, action), each in calls.items():
        if of(action):
            summed.asked += each.asked
            summed.done += each.done
            summed.refused += each.refused
            summed.other += each.other
    return summed


def function_times(cloud: LocalCloud) -> dict[str, FunctionTime]:
    """Return the time that each function ran, from the REPORT lines of its log."""
    logs = cloud.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=_GROUPS)["logGroups"]
    names = [group["logGroupName"].removeprefix(_GROUPS) for group in groups]
    return {name: _time(_messages(logs, name)) for name in names}


def seconds_of(line: str) -> float | None:
    """Return the seconds of an invocation, cold start included, from a REPORT line; None for other lines."""
    report = _DURATION.match(line)
    if report is None:
        return None
    return (float(report["run"]) + float(report["init"] or 0)) / _MS_PER_S


def _messages(logs: Any, name: str) -> Iterable[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=_GROUPS + name)
    return (event["message"] for page in pages for event in page["events"])


def _time(messages: Iterable[str]) -> FunctionTime:
    found = [seconds for seconds in map(seconds_of, messages) if seconds is not None]
    return FunctionTime(len(found), sum(found))
