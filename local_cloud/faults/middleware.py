"""Fault injection: a call that meets a fault is refused, cut off or doubled, or its caller is killed."""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable, Iterable
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Protocol

from local_cloud.faults.kinds import CHANGED_ANSWERS, FaultKind
from local_cloud.faults.responses import changed_answer, fault_answer
from local_cloud.faults.rules import Faults, Met
from local_cloud.http.wsgi import Answer, call, read_body, signed_by, signed_service, with_body
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
    """An execution environment of a function."""

    def kill(self) -> None:
        """End the process."""

    def run_out_of_memory(self) -> None:
        """Make the process exceed its memory limit."""

    def fill_storage(self) -> None:
        """Let the process write no more files."""


class FaultFront:
    """Injects faults between the front and the applications; requests without a fault pass unchanged.

    `act_on` takes a function's name, a text and an action, which it does to each place where the function
    works on an event that contains the text.
    """

    def __init__(self, faults: Faults, act_on: Callable[[str, str, Callable[[Place], None]], None]) -> None:
        self._faults = faults
        self._act_on = act_on
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def answer(
        self, application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request, with the fault that it meets."""
        met = self._faults.meet(environ)
        if met is None:
            return application(environ, start_response)
        answer = self._met(met, application, environ)
        if answer is None:
            connection: Any = environ.get("werkzeug.socket")
            if connection is not None:
                connection.close()
            answer = Answer(status="500 Internal Server Error")
        elif met.fault.kind is FaultKind.BODY_CUT:
            # Half of the body is sent, under the length of the whole.
            whole = answer.get_data()
            length = {"Content-Length": str(len(whole))}
            answer = Answer([whole[: len(whole) // 2]], answer.status, {**dict(answer.headers), **length})
        return answer(environ, start_response)

    def settle(self) -> None:
        """Wait for the calls that go on without their caller."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """End all delays, and settle."""
        self._closing.set()
        self.settle()

    def _met(self, met: Met, application: WSGIApplication, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer to the caller, or None where its connection breaks."""
        kind, service = met.fault.kind, signed_service(environ)
        if kind not in _CARRIED_OUT | _CUT_OFF:
            return fault_answer(kind, service)
        self._prepare(met, application, environ)
        request = _without_page_token(environ) if kind is FaultKind.PAGES_IN_CIRCLES else environ
        answer = call(application, request) if kind in _CARRIED_OUT else None
        if kind is FaultKind.KILLED_AFTER:
            self._kill(met)
        if answer is not None and kind in CHANGED_ANSWERS:
            return changed_answer(kind, answer, read_body(environ))
        if kind in _CUT_OFF:
            # moto's interpreter gives up without an answer: it gets Step Functions' name for a lost one.
            is_interpreter = signed_by(environ) == INTERPRETER
            return fault_answer(FaultKind.SERVER_ERROR, service) if is_interpreter else None
        return answer

    def _prepare(self, met: Met, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Do the part of a fault that happens before the call or at the same time."""
        kind = met.fault.kind
        if kind in (FaultKind.STRAGGLER, FaultKind.TWICE):
            twin = with_body(environ, read_body(environ))
            self._later(lambda: call(application, twin))
        elif kind is FaultKind.KILLED_BEFORE:
            self._kill(met)
        elif kind is FaultKind.KILLED_LATER:
            self._later(lambda: self._kill(met), met.fault.after_s)
        elif kind in (FaultKind.OUT_OF_MEMORY, FaultKind.STORAGE_FULL):
            use_up = methodcaller("run_out_of_memory" if kind is FaultKind.OUT_OF_MEMORY else "fill_storage")
            self._act_on(met.function, met.fault.marker, use_up)
        elif kind is FaultKind.SILENT:
            # Until the caller gives up and closes its end of the connection.
            select.select([environ["werkzeug.socket"]], [], [], _LONGEST_SILENCE_S)
        elif kind is FaultKind.DELAYED:
            time.sleep(_DELAY_S)

    def _kill(self, met: Met) -> None:
        self._act_on(met.function, met.fault.marker, lambda place: place.kill())

    def _later(self, act: Callable[[], object], after_s: float = 0) -> None:
        """Call `act` from a thread, after a delay that ends early when the front is closed."""

        def wait_and_act() -> None:
            self._closing.wait(after_s)
            act()

        thread = threading.Thread(target=wait_and_act, name="fault", daemon=True)
        # Only a thread that has started can be waited for.
        with self._lock:
            thread.start()
            self._threads.append(thread)


def _without_page_token(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Return a request for the first page: the service does not know the tokens of pages in circles."""
    document = json.loads(read_body(environ))
    document.pop("NextToken", None)
    body = json.dumps(document).encode()
    return with_body(environ, body)
