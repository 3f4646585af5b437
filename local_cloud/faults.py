"""Faults on demand: chosen calls of functions and of the state machine meet one.

A fault belongs to one upload: it strikes the calls that name it, in their path or body.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from local_cloud.calls import STATE_MACHINE, calls_in
from local_cloud.wsgi import path_of, query_of, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FOR_EVER = 1_000_000
# The machine's payload tells which Rekognition job belongs to an upload; later questions name the job alone.
_TOLD = re.compile(r'"job_id": ?"(\w+)"')
_ASKED = re.compile(r'"JobId": ?"(\w+)"')


class FaultKind(Enum):
    """What happens to a call. S3 answers what was written last: a stale read is Rekognition's alone."""

    THROTTLED = "throttled"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    RESET = "connection reset"
    SILENT = "no answer until the caller gives up"
    DELAYED = "carried out a second late"
    LOST_ANSWER = "carried out, answer lost"
    STRAGGLER = "connection reset, carried out meanwhile"
    TWICE = "carried out twice at once"
    KILLED_BEFORE = "caller killed before the call"
    KILLED_AFTER = "caller killed after the call"
    KILLED_LATER = "invoked function killed after a while"
    OUT_OF_MEMORY = "caller out of memory"
    STORAGE_FULL = "caller's /tmp full"
    OVER_QUOTA = "over Rekognition's quota"
    STILL_IN_PROGRESS = "job IN_PROGRESS, or so once more"
    JOB_FAILED = "job FAILED"
    RESULTS_EXPIRED = "job's results expired"
    PAGE_EXPIRED = "page token expired"


_OF_A_FUNCTION = (
    FaultKind.SILENT,
    FaultKind.KILLED_BEFORE,
    FaultKind.KILLED_AFTER,
    FaultKind.OUT_OF_MEMORY,
    FaultKind.STORAGE_FULL,
)
OF_A_JOB = (
    FaultKind.STILL_IN_PROGRESS,
    FaultKind.JOB_FAILED,
    FaultKind.RESULTS_EXPIRED,
    FaultKind.PAGE_EXPIRED,
)


@dataclass(frozen=True)
class Step:
    """A call of an upload: who asked for what, for the how manieth time, counted from 0."""

    principal: str
    action: str
    number: int = 0

    def can_meet(self, kind: FaultKind) -> bool:
        """Return whether a fault of this kind makes sense here."""
        if kind in OF_A_JOB:
            return self.action == "rekognition:GetFaceDetection"
        if kind is FaultKind.OVER_QUOTA:
            return self.action == "rekognition:StartFaceDetection"
        if kind is FaultKind.KILLED_LATER:
            return self.action == "lambda:InvokeFunction"
        return kind not in _OF_A_FUNCTION or self.principal != STATE_MACHINE


@dataclass(frozen=True)
class Fault:
    """A fault of the calls from `step` on, `attempts` of them in a row, of the upload named `marker`.

    `after_s` is the while of KILLED_LATER.
    """

    marker: str
    step: Step
    kind: FaultKind
    attempts: int = 1
    after_s: float = 0.0


@dataclass(frozen=True)
class Met:
    """A fault, and the function that it is about: the caller, or what the state machine calls."""

    fault: Fault
    function: str


@dataclass
class _Watch:
    """What is known of one upload: its faults, its calls so far, and how many faults struck."""

    faults: tuple[Fault, ...] = ()
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: list[Step] = field(default_factory=list)
    strikes: int = 0


class Faults:
    """The faults of all uploads, and the calls of those that are watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._jobs: dict[str, str] = {}

    def watch(self, marker: str, *faults: Fault) -> None:
        """Note the calls that name `marker` from now on; `faults` strike some of them."""
        with self._lock:
            self._watches[marker] = _Watch(faults)

    def steps(self, marker: str) -> list[Step]:
        """Return the calls of a watched upload, in their order."""
        with self._lock:
            return list(self._watches[marker].steps)

    def strikes(self, marker: str) -> int:
        """Return how often its faults struck."""
        with self._lock:
            return self._watches[marker].strikes

    def meet(self, environ: WSGIEnvironment) -> Met | None:
        """Note a request; return the fault that strikes it."""
        if not self._watches:
            return None
        text = unquote_plus(path_of(environ)) + str(query_of(environ)) + read_body(environ).decode("latin-1")
        with self._lock:
            marker = self._marker(text)
            return None if marker is None else _struck(self._watches[marker], environ)

    def _marker(self, text: str) -> str | None:
        """Return which upload a request is about: the one it names, or whose Rekognition job it names."""
        if (asked := _ASKED.search(text)) is not None:
            return self._jobs.get(asked[1])
        marker = next((marker for marker in self._watches if marker in text), None)
        if marker is not None and (told := _TOLD.search(text)) is not None:
            self._jobs[told[1]] = marker
        return marker


def _struck(watch: _Watch, environ: WSGIEnvironment) -> Met | None:
    """Note the calls in a request of a watched upload; return the fault that strikes one of them."""
    found = None
    for asked in calls_in(environ):
        if asked.action.startswith("logs:"):
            continue
        step = Step(asked.principal, asked.action, watch.counts[asked.principal, asked.action])
        watch.counts[asked.principal, asked.action] += 1
        watch.steps.append(step)
        for fault in watch.faults:
            if _strikes(fault, step):
                is_machine = asked.principal == STATE_MACHINE
                found = Met(fault, asked.resource.rpartition(":")[2] if is_machine else asked.principal)
                watch.strikes += 1
    return found


def _strikes(fault: Fault, step: Step) -> bool:
    is_same = (fault.step.principal, fault.step.action) == (step.principal, step.action)
    return is_same and fault.step.number <= step.number < fault.step.number + fault.attempts
