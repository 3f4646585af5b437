"""Fault rules: which calls of functions and of the state machine get a fault.

A fault belongs to one upload: it can hit only calls that name the upload in their path, query or body.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from local_cloud.faults.kinds import OF_A_FUNCTION, FaultKind, is_heard_at
from local_cloud.http.iam_calls import STATE_MACHINE, calls_in
from local_cloud.http.operations import operation_of
from local_cloud.http.wsgi import path_of, query_of, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FOR_EVER = 1_000_000
# The machine's payload links a Rekognition job to its upload; later GetFaceDetection calls name the job only.
_JOB_IN_PAYLOAD = re.compile(r'"job_id": ?"(\w+)"')
_JOB_IN_CALL = re.compile(r'"JobId": ?"(\w+)"')


@dataclass(frozen=True)
class Step:
    """One call that an upload causes; `number` counts the calls of the same principal and action from 0.

    `operation` is the API operation, which is finer than `action`; `asked` is the function that the state
    machine invokes.
    """

    principal: str
    action: str
    number: int = 0
    operation: str = ""
    asked: str = ""

    def can_meet(self, kind: FaultKind) -> bool:
        """Return whether a fault of this kind makes sense for this call."""
        if kind in OF_A_FUNCTION:
            return self.principal != STATE_MACHINE
        return is_heard_at(kind, self.operation)


@dataclass(frozen=True)
class Fault:
    """A fault for the first `attempts` calls from `step` on that can meet it, of the upload `marker`.

    `after_s` is the delay of KILLED_LATER in seconds. With `one_function` it hits the state machine only
    where that invokes the function of `step`.
    """

    marker: str
    step: Step
    kind: FaultKind
    attempts: int = 1
    after_s: float = 0.0
    one_function: bool = False

    def can_hit(self, step: Step) -> bool:
        """Return whether this fault is meant for the call `step`."""
        is_same = (self.step.principal, self.step.action) == (step.principal, step.action)
        is_asked = not self.one_function or self.step.asked == step.asked
        return is_same and is_asked and self.step.number <= step.number and step.can_meet(self.kind)


@dataclass(frozen=True)
class Met:
    """A fault that hits a call, and its function: the caller, or the one that the state machine invokes."""

    fault: Fault
    function: str


@dataclass
class _Upload:
    """The state of one upload: its faults, its calls so far, and how often each fault hit one."""

    faults: tuple[Fault, ...] = ()
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: list[Step] = field(default_factory=list)
    hits: Counter[Fault] = field(default_factory=Counter)


class Faults:
    """The faults and the recorded calls of all watched uploads; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uploads: dict[str, _Upload] = {}
        self._jobs: dict[str, str] = {}

    def watch(self, marker: str, *faults: Fault) -> None:
        """Record calls that name `marker` from now on, and inject `faults` into them."""
        with self._lock:
            self._uploads[marker] = _Upload(faults)

    def steps(self, marker: str) -> list[Step]:
        """Return the calls of a watched upload in their order."""
        with self._lock:
            return list(self._uploads[marker].steps)

    def hits(self, marker: str) -> int:
        """Return how many faults were injected into the calls of a watched upload."""
        with self._lock:
            return sum(self._uploads[marker].hits.values())

    def meet(self, environ: WSGIEnvironment) -> Met | None:
        """Record a request; return the fault that hits it, or None."""
        if not self._uploads:
            return None
        text = unquote_plus(path_of(environ)) + str(query_of(environ)) + read_body(environ).decode("latin-1")
        with self._lock:
            marker = self._marker(text)
            return None if marker is None else _fault_of(self._uploads[marker], environ)

    def _marker(self, text: str) -> str | None:
        """Return the upload that a request names, or whose Rekognition job it names."""
        if (job := _JOB_IN_CALL.search(text)) is not None:
            return self._jobs.get(job[1])
        marker = next((marker for marker in self._uploads if marker in text), None)
        if marker is not None and (job := _JOB_IN_PAYLOAD.search(text)) is not None:
            self._jobs[job[1]] = marker
        return marker


def _fault_of(upload: _Upload, environ: WSGIEnvironment) -> Met | None:
    """Record the calls in a request of an upload; return the fault that hits one of them, or None."""
    found = None
    for asked in calls_in(environ):
        if asked.action.startswith("logs:"):
            continue
        number = upload.counts[asked.principal, asked.action]
        upload.counts[asked.principal, asked.action] += 1
        function = asked.resource.rpartition(":")[2] if asked.principal == STATE_MACHINE else ""
        step = Step(asked.principal, asked.action, number, operation_of(environ, asked), function)
        upload.steps.append(step)
        for fault in upload.faults:
            if fault.can_hit(step) and upload.hits[fault] < fault.attempts:
                found = Met(fault, step.asked or asked.principal)
                upload.hits[fault] += 1
    return found
