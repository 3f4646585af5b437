"""Faults on demand: chosen calls of functions and of the state machine meet one.

A fault belongs to one upload: it strikes the calls that name it, in their path or body.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from local_cloud.faults.kinds import OF_A_FUNCTION, FaultKind, is_heard_at
from local_cloud.http.iam_calls import STATE_MACHINE, ServiceCall, calls_in
from local_cloud.http.operations import operation_of
from local_cloud.http.wsgi import path_of, query_of, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FOR_EVER = 1_000_000
# The machine's payload tells which Rekognition job belongs to an upload; later questions name the job alone.
_TOLD = re.compile(r'"job_id": ?"(\w+)"')
_ASKED = re.compile(r'"JobId": ?"(\w+)"')


@dataclass(frozen=True)
class Step:
    """A call of an upload: who asked for what, for the how manieth time, counted from 0.

    `operation` tells apart what one IAM action allows; `asked` is the function that the machine invokes.
    """

    principal: str
    action: str
    number: int = 0
    operation: str = ""
    asked: str = ""

    def can_meet(self, kind: FaultKind) -> bool:
        """Return whether a fault of this kind makes sense here."""
        if kind in OF_A_FUNCTION:
            return self.principal != STATE_MACHINE
        return is_heard_at(kind, self.operation)


@dataclass(frozen=True)
class Fault:
    """A fault of the calls from `step` on, of `attempts` of them that can meet it, of the upload `marker`.

    `after_s` is the while of KILLED_LATER. With `one_function` the machine meets it only where it asks the
    function of `step`.
    """

    marker: str
    step: Step
    kind: FaultKind
    attempts: int = 1
    after_s: float = 0.0
    one_function: bool = False

    def can_strike(self, step: Step) -> bool:
        """Return whether a call is one of those that this fault is meant for."""
        is_same = (self.step.principal, self.step.action) == (step.principal, step.action)
        is_asked = not self.one_function or self.step.asked == step.asked
        return is_same and is_asked and self.step.number <= step.number and step.can_meet(self.kind)


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
    struck: Counter[Fault] = field(default_factory=Counter)


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
            return sum(self._watches[marker].struck.values())

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
        step = _step(watch, environ, asked)
        watch.steps.append(step)
        for fault in watch.faults:
            if fault.can_strike(step) and watch.struck[fault] < fault.attempts:
                found = Met(fault, step.asked or asked.principal)
                watch.struck[fault] += 1
    return found


def _step(watch: _Watch, environ: WSGIEnvironment, asked: ServiceCall) -> Step:
    number = watch.counts[asked.principal, asked.action]
    watch.counts[asked.principal, asked.action] += 1
    function = asked.resource.rpartition(":")[2] if asked.principal == STATE_MACHINE else ""
    return Step(asked.principal, asked.action, number, operation_of(environ, asked), function)
