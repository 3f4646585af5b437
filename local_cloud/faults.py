"""Faults on demand: chosen calls of functions and of the state machine are refused, or lose their answer.

A fault belongs to one upload: it strikes the calls that name it, in their path or body. Without faults a
request passes as it is.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from local_cloud.calls import calls_in
from local_cloud.sandbox_environment import INTERPRETER
from local_cloud.wsgi import (
    Answer,
    call,
    json_answer,
    path_of,
    query_of,
    read_body,
    signed_by,
    signed_service,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FOR_EVER = 1_000_000
# The machine's payload tells which Rekognition job belongs to an upload; later questions name the job alone.
_TOLD = re.compile(r'"job_id": ?"(\w+)"')
_ASKED = re.compile(r'"JobId": ?"(\w+)"')


class FaultKind(Enum):
    """What happens to a call."""

    THROTTLED = "throttled"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    RESET = "connection reset"
    LOST_ANSWER = "carried out, answer lost"


@dataclass(frozen=True)
class Step:
    """A call of an upload: who asked for what, for the how manieth time, counted from 0."""

    principal: str
    action: str
    number: int = 0


@dataclass(frozen=True)
class Fault:
    """A fault of the calls from `step` on, `attempts` of them in a row, of the upload named `marker`."""

    marker: str
    step: Step
    kind: FaultKind
    attempts: int = 1


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

    def answer(
        self, application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request, or let its fault do so."""
        kind = self._kind(environ) if self._watches else None
        if kind is None:
            return application(environ, start_response)
        if kind is FaultKind.LOST_ANSWER:
            call(application, environ)
        if kind in (FaultKind.LOST_ANSWER, FaultKind.RESET) and signed_by(environ) != INTERPRETER:
            return _cut_off(environ, start_response)
        # Step Functions gives its calls to Lambda a name in any case; moto's interpreter, cut off, gives up.
        named = FaultKind.SERVER_ERROR if kind in (FaultKind.LOST_ANSWER, FaultKind.RESET) else kind
        return _refusal(named, signed_service(environ)).send(start_response)

    def _kind(self, environ: WSGIEnvironment) -> FaultKind | None:
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


def _struck(watch: _Watch, environ: WSGIEnvironment) -> FaultKind | None:
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
                found = fault.kind
                watch.strikes += 1
    return found


def _strikes(fault: Fault, step: Step) -> bool:
    is_same = (fault.step.principal, fault.step.action) == (step.principal, step.action)
    return is_same and fault.step.number <= step.number < fault.step.number + fault.attempts


def _refusal(kind: FaultKind, service: str) -> Answer:
    status, code = {
        FaultKind.THROTTLED: ("503 Slow Down", "SlowDown"),
        FaultKind.SERVER_ERROR: ("500 Internal Server Error", "InternalError"),
        FaultKind.UNAVAILABLE: ("503 Service Unavailable", "ServiceUnavailable"),
    }[kind]
    if service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault</Message></Error>"
        return Answer(status, {"Content-Type": "application/xml"}, body.encode())
    if service == "lambda":
        is_throttled = kind is FaultKind.THROTTLED
        status = "429 Too Many Requests" if is_throttled else "500 Internal Server Error"
        code = "TooManyRequestsException" if is_throttled else "ServiceException"
    elif kind is FaultKind.THROTTLED:
        status, code = "400 Bad Request", "ThrottlingException"
    document: dict[str, Any] = {"__type": code, "message": "a fault", "Type": "Service"}
    return json_answer(status, document, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "a-fault"})


def _cut_off(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Close the connection instead of answering."""
    connection: Any = environ.get("werkzeug.socket")
    if connection is not None:
        connection.close()
    return Answer("500 Internal Server Error").send(start_response)
