"""moto with one lock for each of its services: its backends are not safe to use from many threads.

moto checks first and acts later, so two puts to one key, two starts of one execution, or a list read while it
grows failed at random. The lock is held while moto answers, not while a client sends or a task runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from local_cloud.http.wsgi import read_body, signed_service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A request to SQS may wait for messages that other requests send: it takes no lock.
_WAITING = "sqs"
_INTERPRETED = "states"


class SerialMoto:
    """WSGI application around moto; `prepare` is called once, before the first Step Functions request."""

    def __init__(self, moto: WSGIApplication, prepare: Callable[[], None] = lambda: None) -> None:
        self._moto = moto
        self._prepare = prepare
        self._is_prepared = False
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, once no other request to the same service is being answered."""
        service = signed_service(environ) or "s3"
        if service == _WAITING:
            return self._moto(environ, start_response)
        read_body(environ)
        with self.alone(service):
            if service == _INTERPRETED and not self._is_prepared:
                self._prepare()
                self._is_prepared = True
            return self._moto(environ, start_response)

    def alone(self, service: str) -> AbstractContextManager[bool]:
        """Return the lock of a service; it may be taken again by the thread that has it."""
        with self._guard:
            return self._locks.setdefault(service, threading.RLock())
