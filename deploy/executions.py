"""Lists executions by upload with the cause of failures, and starts failed uploads again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from chalicelib.contract.errors import DetectionExpired, DetectionFailed, InvalidDocument, Superseded
from chalicelib.contract.job import DetectionMode, DetectionProgress, DetectionStatus, Job
from chalicelib.contract.log import printable
from chalicelib.contract.manifest import readable_cause

_AGAIN = "-again-"
_FAILED = {"FAILED", "TIMED_OUT", "ABORTED"}
# Failures that another execution of the same upload would repeat, and what to do about them.
_NO_USE = {Superseded.__name__: "a newer upload of the same key has taken its place"}
# Failures after which the job of the newest execution is lost.
_JOB_LOST = {DetectionFailed.__name__, DetectionExpired.__name__}


@dataclass(frozen=True)
class ExecutionReport:
    """One execution: its name and status, the job it was given, and why it failed."""

    name: str
    status: str
    started: datetime
    job: Job | None
    error: str = ""
    cause: str = ""

    @property
    def upload(self) -> str:
        """Return the name of the upload's first execution."""
        return self.name.partition(_AGAIN)[0]

    @property
    def source(self) -> str:
        """Return the URI of the uploaded object."""
        return self.job.source.uri if self.job else "(unreadable input)"

    def line(self, now: datetime) -> str:
        """Return the execution for people: state, age, source, and the cause of a failure."""
        failure = f"  {self.error}: {self.cause}" if self.status in _FAILED else ""
        return printable(f"{self.status:<10} {_age(now - self.started):>6}  {self.source}{failure}")


def read_executions(stepfunctions: Any, machine_arn: str, key: str = "") -> Iterator[ExecutionReport]:
    """Yield the executions, newest first; with `key`, only those of that upload."""
    for listed in _listed(stepfunctions, machine_arn):
        described = stepfunctions.describe_execution(executionArn=listed["executionArn"])
        job = _job(described.get("input", ""))
        if key and (job is None or job.source.key != key):
            continue
        yield ExecutionReport(
            name=described["name"],
            status=described["status"],
            started=described["startDate"],
            job=job,
            error=described.get("error", ""),
            cause=readable_cause(described.get("cause", "")),
        )


def running_executions(stepfunctions: Any, machine_arn: str) -> list[str]:
    """Return the ARNs of the executions that have not ended."""
    return [one["executionArn"] for one in _listed(stepfunctions, machine_arn) if one["status"] == "RUNNING"]


def redrive(
    stepfunctions: Any, machine_arn: str, key: str = "", mode: DetectionMode = DetectionMode.BOTH
) -> list[str]:
    """Start every upload again whose executions all failed, with the stage's `mode`; return a line for each.

    A Rekognition job that succeeded is used again. One that failed, or whose results are gone, is not: the
    next request token of the upload gives another.
    """
    attempts: dict[str, list[ExecutionReport]] = defaultdict(list)
    for execution in read_executions(stepfunctions, machine_arn, key):
        attempts[execution.upload].append(execution)
    return [
        _start_again(stepfunctions, machine_arn, upload, tries, mode)
        for upload, tries in attempts.items()
        if all(one.status in _FAILED for one in tries)
    ]


def _start_again(
    stepfunctions: Any, machine_arn: str, upload: str, tries: list[ExecutionReport], mode: DetectionMode
) -> str:
    newest = tries[0]
    if newest.job is None:
        return f"left        {newest.name}: its input cannot be read"
    if reason := _NO_USE.get(newest.error):
        return printable(f"left        {newest.source}: {reason}")
    number = newest.job.detection.token_number + (newest.error in _JOB_LOST)
    job = Job(newest.job.source, DetectionProgress(DetectionStatus.AGAIN, token_number=number, mode=mode))
    # 80 characters at most; the number of tries, not the time, so that two redrives at once are one.
    name = f"{upload[-70:].lstrip('-_')}{_AGAIN}{len(tries)}"
    try:
        stepfunctions.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(job.to_json()))
    except stepfunctions.exceptions.ExecutionAlreadyExists:
        return printable(f"runs        {newest.source}")
    return printable(f"started     {newest.source}")


def _listed(stepfunctions: Any, machine_arn: str) -> list[dict[str, Any]]:
    pages = stepfunctions.get_paginator("list_executions")
    try:
        return [one for page in pages.paginate(stateMachineArn=machine_arn) for one in page["executions"]]
    except stepfunctions.exceptions.StateMachineDoesNotExist:
        return []


def _job(text: str) -> Job | None:
    try:
        return Job.from_json(json.loads(text))
    except (ValueError, RecursionError, InvalidDocument):
        return None


def _age(age: Any) -> str:
    seconds = int(age.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(timezone.utc)
