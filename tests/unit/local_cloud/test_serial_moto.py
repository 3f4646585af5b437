"""moto behind locks: each test forces the order in which two requests, or a thread of moto's, would meet."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from moto.stepfunctions.parser.asl.parse import asl_parser

from local_cloud.http.serial_moto import SerialMoto
from local_cloud.http.wsgi import Answer, call
from local_cloud.stepfunctions_service.interpreter import (
    SharedTrees,
    ended_under_lock,
    stoppable_from_the_start,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATIENCE_S = 10.0
# How long an answer is held up for another one that must not come.
A_WHILE_S = 0.2
DEFINITION = '{"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": true}}}'


class Body(io.BytesIO):
    """A body that tells when it is read."""

    def __init__(self) -> None:
        super().__init__(b"body")
        self.is_read = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        self.is_read.set()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        """Put the next bytes into `buffer`."""
        self.is_read.set()
        return super().readinto(buffer)


class Meeting:
    """Stands where moto is: holds the first answer up until the second request came in, or for a while."""

    def __init__(self, patience_s: float) -> None:
        self.order: list[str] = []
        self.first_is_in = threading.Event()
        self.second_is_in = threading.Event()
        self._patience_s = patience_s

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        name = environ["PATH_INFO"]
        self.order.append(f"{name} in")
        {"/first": self._first, "/second": self.second_is_in.set}[name]()
        self.order.append(f"{name} out")
        return Answer()(environ, start_response)

    def _first(self) -> None:
        self.first_is_in.set()
        self.second_is_in.wait(self._patience_s)


def request(path: str, service: str, body: io.BytesIO) -> WSGIEnvironment:
    """Return a request that is signed for `service`."""
    scope = f"Credential=KEY/20260101/us-east-1/{service}/aws4_request"
    return {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": path,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
        "CONTENT_LENGTH": "4",
        "wsgi.input": body,
    }


def met(meeting: Meeting, services: tuple[str, str]) -> bool:
    """Let two requests meet; return whether the second one's body came in while the first was answered."""
    moto, body = SerialMoto(meeting), Body()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(call, moto, request("/first", services[0], io.BytesIO(b"body")))
        assert meeting.first_is_in.wait(PATIENCE_S)
        second = threads.submit(call, moto, request("/second", services[1], body))
        is_received = body.is_read.wait(PATIENCE_S) and not first.done()
        assert all(answer.result().succeeded for answer in (first, second))
    return is_received


@pytest.mark.parametrize("service", ["s3", "states", "logs", "lambda"])
def test_requests_to_one_service_are_answered_one_after_the_other(service: str) -> None:
    """A second one is received meanwhile, so that nobody who sends slowly holds others up."""
    meeting = Meeting(A_WHILE_S)

    is_received = met(meeting, (service, service))

    assert meeting.order == ["/first in", "/first out", "/second in", "/second out"]
    assert is_received


@pytest.mark.parametrize("services", [("s3", "logs"), ("sqs", "sqs")])
def test_other_services_and_queues_are_not_waited_for(services: tuple[str, str]) -> None:
    """Who asks a queue for messages may wait there for what others send."""
    meeting = Meeting(PATIENCE_S)

    met(meeting, services)

    assert meeting.order[:2] == ["/first in", "/second in"]


def test_moto_is_prepared_once_before_it_is_asked_for_step_functions() -> None:
    """And not for other services: loading takes long."""
    order: list[str] = []

    def moto(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        order.append(environ["PATH_INFO"])
        return Answer()(environ, start_response)

    serial = SerialMoto(moto, lambda: order.append("prepared"))
    for path, service in (("/bucket", "s3"), ("/start", "states"), ("/stop", "states")):
        call(serial, request(path, service, io.BytesIO(b"body")))

    assert order == ["/bucket", "prepared", "/start", "/stop"]


def test_end_of_an_execution_is_told_at_once() -> None:
    """Its status, its output and its error change while nobody is answered."""
    lock = threading.Lock()
    held: list[bool] = []
    tell: Callable[[Any], None] = ended_under_lock(lambda _communication: held.append(lock.locked()), lock)

    tell(None)

    assert (held, lock.locked()) == ([True], False)


def test_execution_can_be_stopped_before_its_thread_runs() -> None:
    """What stops it is there when it is started, and is what its thread goes by."""

    class Worker:
        """moto's worker, as far as it is looked at."""

        env: object = None
        seen: object = None

        def _get_evaluation_environment(self) -> object:
            return object()

    def start(worker: Worker) -> None:
        worker.seen = worker.env, worker._get_evaluation_environment()  # noqa: SLF001 as moto does

    worker = Worker()
    stoppable_from_the_start(start)(worker)

    assert worker.env is not None
    assert worker.seen == (worker.env, worker.env)


def test_definition_is_read_once_and_each_execution_gets_a_program_of_its_own() -> None:
    """Programs keep the state of one execution; the syntax tree keeps none."""
    parser = SharedTrees(asl_parser)

    first, again = parser.parse(DEFINITION), parser.parse(DEFINITION)
    other = parser.parse(DEFINITION.replace("Only", "Other"))

    assert first[1] is again[1]
    assert first[0] is not again[0]
    assert other[1] is not first[1]
