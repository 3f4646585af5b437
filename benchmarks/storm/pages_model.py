"""Simulate documents of many pages that are read at once, at a quota of calls a second.

`python -m benchmarks.storm.pages_model [--documents 60] [--pages 100] [--calls 5]`. The code that reads,
waits and hands over is the real one, the retries are those of the state machine. Clock, Rekognition and S3
are simulated.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.storm.simulated_clock import SimulatedClock
from chalicelib.contract.errors import TransientError
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Job
from chalicelib.contract.objects import SourceObject
from chalicelib.faces_store import store_faces
from chalicelib.pace import Pace
from chalicelib.rekognition import FaceDetectionJobs, check_detection
from local_cloud.rekognition_service.quota import CallQuota

_MACHINE = Path(__file__).resolve().parent.parent.parent / "statemachine" / "blur_faces.asl.json"
_FUNCTION_S, _ANSWER_S = 900.0, 0.1
_ATTEMPTS = 2  # Those of chalicelib/clients.py.
_POLLING = 20  # Executions whose job is in progress: as many as Rekognition runs.
_NOW = datetime(2026, 11, 28, tzinfo=timezone.utc)
_METADATA = {"Codec": "h264", "DurationMillis": 1, "FrameRate": 30.0, "FrameWidth": 640, "FrameHeight": 360}


@dataclass
class Outcome:
    """Seconds until each document was read; documents and polls given up; invocations; calls."""

    read_after_s: list[float] = field(default_factory=list)
    failed: int = 0
    polls_failed: int = 0
    invocations: int = 0
    answered: int = 0
    refused: int = 0


class _Rekognition:
    """Answers `pages` pages of a job as the quota allows; a job named `running` is in progress."""

    def __init__(self, clock: SimulatedClock, pages: int, calls_per_s: float, outcome: Outcome) -> None:
        self._clock, self._pages, self._outcome = clock, pages, outcome
        self._quota = CallQuota(calls_per_s, clock.now)

    def get_face_detection(self, **request: Any) -> dict[str, Any]:
        """Answer as boto3 does, with its second attempt."""
        for attempt in range(_ATTEMPTS):
            self._clock.sleep(_ANSWER_S + (self._clock.chance() if attempt else 0))
            if self._quota.admits():
                self._outcome.answered += 1
                return self._page(request)
            self._outcome.refused += 1
        error: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "rate"}}
        raise ClientError(error, "GetFaceDetection")

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["JobId"] == "running":
            return {"JobStatus": "IN_PROGRESS"}
        following = int(request.get("NextToken", "0")) + 1
        token = {"NextToken": str(following)} if following < self._pages else {}
        return {"JobStatus": "SUCCEEDED", "VideoMetadata": _METADATA, "Faces": [], **token}


class _S3:
    """Keeps objects by their keys."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803 boto3's words
        """Keep an object."""
        self._objects[Key] = Body

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 boto3's words
        """Return an object."""
        return {"Body": io.BytesIO(self._objects[Key])}


class _Storm:
    """All executions of one simulation."""

    def __init__(self, documents: int, pages: int, calls_per_s: float, seed: int) -> None:
        self.outcome = Outcome()
        self._clock = SimulatedClock(random.Random(seed))  # noqa: S311 chosen by lot, and again by the same seed
        self._jobs = FaceDetectionJobs(_Rekognition(self._clock, pages, calls_per_s, self.outcome))
        self._s3 = _S3()
        self._left = documents
        self._retries = {
            name: state["Retry"][0]
            for name, state in json.loads(_MACHINE.read_text(encoding="utf-8"))["States"].items()
            if state["Type"] == "Task"
        }
        for number in range(documents):
            self._clock.start(lambda number=number: self._read(number))  # type: ignore[misc]
        for number in range(_POLLING):
            self._clock.start(lambda number=number: self._poll(number))  # type: ignore[misc]

    def run(self) -> Outcome:
        """Run all executions to their ends."""
        self._clock.run()
        return self.outcome

    def _read(self, number: int) -> None:
        job: Job | None = _job(number, "job")
        while job is not None and job.faces is None:
            job = self._tried("Get rekognized faces", lambda job=job: self._invoke(job))  # type: ignore[misc]
        self._left -= 1
        if job is None:
            self.outcome.failed += 1
        else:
            self.outcome.read_after_s.append(self._clock.now())

    def _invoke(self, job: Job) -> Job:
        self.outcome.invocations += 1
        clock = self._clock
        pace = Pace(_FUNCTION_S, clock.now, clock.sleep, clock.chance)
        return store_faces(job, self._jobs, self._s3, "work", pace, _NOW)

    def _poll(self, number: int) -> None:
        job: Job | None = _job(number, "running")
        while job is not None and self._left:
            self._clock.sleep(job.detection.wait_s)
            checked = self._tried(
                "Check Rekognition job status",
                lambda job=job: check_detection(job, self._jobs, _NOW),  # type: ignore[misc]
            )
            self.outcome.polls_failed += checked is None
            job = checked

    def _tried(self, state: str, function: Callable[[], Job]) -> Job | None:
        """Return the function's answer, tried as often as the state says; None where it fails."""
        retry = self._retries[state]
        for attempt in range(1 + retry["MaxAttempts"]):
            try:
                return function()
            except TransientError:
                longest_s = retry["IntervalSeconds"] * retry["BackoffRate"] ** min(attempt, 40)
                self._clock.sleep(min(longest_s, retry["MaxDelaySeconds"]) * self._clock.chance())
        return None


def _job(number: int, job_id: str) -> Job:
    source = SourceObject("input", f"{number}.mp4", "v1", "e", "1", 1)
    return Job(source, DetectionProgress(DetectionStatus.IN_PROGRESS, job_id))


def simulated(documents: int, pages: int, calls_per_s: float, seed: int = 0) -> Outcome:
    """Return what becomes of `documents` that are read at once; the same for the same seed."""
    return _Storm(documents, pages, calls_per_s, seed).run()


def main() -> int:
    """Print a table; return 1 if a document or a poll was given up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--calls", type=float, default=5, help="calls a second of the account")
    asked = parser.parse_args()
    found = simulated(asked.documents, asked.pages, asked.calls)
    least_s = asked.documents * asked.pages / asked.calls
    after_s = sorted(found.read_after_s) or [0.0]
    print(f"| {asked.documents} documents of {asked.pages} pages, {asked.calls:g} calls/s | |\n|---|---:|")
    print(f"| read / failed | {len(found.read_after_s)} / {found.failed} |")
    print(f"| polls given up, of {_POLLING} executions that wait | {found.polls_failed} |")
    half_s, all_s = after_s[len(after_s) // 2], after_s[-1]
    print(f"| half read, all read, at least, s | {half_s:.0f}, {all_s:.0f}, {least_s:.0f} |")
    print(f"| invocations | {found.invocations} |")
    print(f"| calls answered / refused | {found.answered} / {found.refused} |")
    return 1 if found.failed or found.polls_failed else 0


if __name__ == "__main__":
    sys.exit(main())
