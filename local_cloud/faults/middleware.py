"""Faults carried out: the call that meets one is refused, cut off or doubled, or costs its caller dear."""

from __future__ import annotations

import io
import json
import select
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from local_cloud.faults.kinds import CHANGED_ANSWERS, FaultKind
from local_cloud.faults.responses import changed_answer, fault_answer
from local_cloud.faults.rules import Faults, Met
from local_cloud.http.wsgi import Answer, call, read_body, signed_by, signed_service
from local_cloud.identity import INTERPRETER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_DELAY_S = 1.0
_LONGEST_SILENCE_S = 120
_CARRIED_OUT = {
    FaultKind.LOST_ANSWER,
    FaultKind.TWICE,
    FaultKind.DELAYED,
    FaultKind.KILLED_AFTER,
    FaultKind.KILLED_LATER,
    FaultKind.OUT_OF_MEMORY,
    FaultKind.STORAGE_FULL,
    *CHANGED_ANSWERS,
}
_CUT_OFF = {
    FaultKind.RESET,
    FaultKind.SILENT,
    FaultKind.LOST_ANSWER,
    FaultKind.STRAGGLER,
    FaultKind.KILLED_BEFORE,
    FaultKind.KILLED_AFTER,
}


class Place(Protocol):
    """Where a function runs."""

    def kill(self) -> None:
        """End the process."""

    def run_out_of_memory(self) -> None:
        """Let the process be over its memory."""

    def fill_storage(self) -> None:
        """Leave no room for files."""


class FaultFront:
    """Between the front and the applications: what no fault is meant for passes as it is.

    `strike` does something to the places where a function, by its name, works on an event that holds a text.
    """

    def __init__(self, faults: Faults, strike: Callable[[str, str, Callable[[Place], None]], None]) -> None:
        self._faults = faults
        self._strike = strike
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def answer(
        self, application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request, or let its fault do so."""
        met = self._faults.meet(environ)
        if met is None:
            return application(environ, start_response)
        answer = self._met(met, application, environ)
        if answer is None:
            return _cut_off(environ, start_response)
        return _send(answer, start_response, is_cut=met.fault.kind is FaultKind.BODY_CUT)

    def settle(self) -> None:
        """Wait for what is carried out without its caller."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """Hold nothing up any more, and settle."""
        self._closing.set()
        self.settle()

    def _met(self, met: Met, application: WSGIApplication, environ: WSGIEnvironment) -> Answer | None:
        """Return what the caller is answered, or None where its connection breaks."""
        kind = met.fault.kind
        if kind not in _CARRIED_OUT | _CUT_OFF:
            return _bodiless(fault_answer(kind, signed_service(environ)), environ)
        self._prepare(met, application, environ)
        request = _without_made_up_token(environ) if kind is FaultKind.PAGES_IN_CIRCLES else environ
        answer = call(application, request) if kind in _CARRIED_OUT else None
        if kind is FaultKind.KILLED_AFTER:
            self._kill(met)
        if answer is not None and kind in CHANGED_ANSWERS:
            answer = changed_answer(kind, answer, read_body(environ))
        return _no_answer(environ) if kind in _CUT_OFF else answer

    def _prepare(self, met: Met, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Do what comes before the call, or beside it."""
        kind = met.fault.kind
        if kind in (FaultKind.STRAGGLER, FaultKind.TWICE):
            twin = {**environ, "wsgi.input": io.BytesIO(read_body(environ))}
            self._later(lambda: call(application, twin))
        elif kind is FaultKind.KILLED_BEFORE:
            self._kill(met)
        elif kind is FaultKind.KILLED_LATER:
            self._later(lambda: self._kill(met), met.fault.after_s)
        elif kind in (FaultKind.OUT_OF_MEMORY, FaultKind.STORAGE_FULL):
            self._use_up(met)
        elif kind is FaultKind.SILENT:
            # Until the caller has given up: its end of the connection is closed.
            select.select([environ["werkzeug.socket"]], [], [], _LONGEST_SILENCE_S)
        elif kind is FaultKind.DELAYED:
            time.sleep(_DELAY_S)

    def _kill(self, met: Met) -> None:
        self._strike(met.function, met.fault.marker, lambda place: place.kill())

    def _use_up(self, met: Met) -> None:
        def use_up(place: Place) -> None:
            if met.fault.kind is FaultKind.OUT_OF_MEMORY:
                place.run_out_of_memory()
            else:
                place.fill_storage()

        self._strike(met.function, met.fault.marker, use_up)

    def _later(self, act: Callable[[], object], after_s: float = 0) -> None:
        def wait_and_act() -> None:
            self._closing.wait(after_s)
            act()

        thread = threading.Thread(target=wait_and_act, name="fault", daemon=True)
        # Only a thread that has started can be waited for.
        with self._lock:
            thread.start()
            self._threads.append(thread)


def _no_answer(environ: WSGIEnvironment) -> Answer | None:
    """Return nothing; moto's interpreter would give up then: it gets Step Functions' name for that."""
    if signed_by(environ) == INTERPRETER:
        return fault_answer(FaultKind.SERVER_ERROR, signed_service(environ))
    return None


def _bodiless(answer: Answer, environ: WSGIEnvironment) -> Answer:
    """Return the answer as HEAD gets it: an error is its status alone then."""
    return Answer(answer.status, answer.headers) if environ["REQUEST_METHOD"] == "HEAD" else answer


def _without_made_up_token(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Return a question for the first page: no service knows the tokens of pages in circles."""
    document = json.loads(read_body(environ))
    document.pop("NextToken", None)
    body = json.dumps(document).encode()
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _send(answer: Answer, start_response: StartResponse, *, is_cut: bool) -> Iterable[bytes]:
    """Send an answer; half of it where it is cut, and the length of the whole."""
    (whole,) = answer.send(start_response)
    return [whole[: len(whole) // 2] if is_cut else whole]


def _cut_off(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Close the connection instead of answering."""
    connection: Any = environ.get("werkzeug.socket")
    if connection is not None:
        connection.close()
    return Answer("500 Internal Server Error").send(start_response)
