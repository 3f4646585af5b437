"""moto, one request at a time for each of its services: its backends are not made for many threads.

Two puts to one key, two starts of one execution, a list that is read while it grows: moto checks first
and acts later, and so broke by chance. A lock is held while moto answers, not while a client
sends or a task runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from local_cloud.http.wsgi import read_body, signed_service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Who asks a queue may wait there for what others send.
_WAITING = "sqs"
_INTERPRETED = "states"


class SerialMoto:
    """WSGI application around moto; `prepare` is called once, before moto is asked for Step Functions."""

    def __init__(self, moto: WSGIApplication, prepare: Callable[[], None] = lambda: None) -> None:
        self._moto = moto
        self._prepare = prepare
        self._is_prepared = False
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, when no other one to the same service is answered."""
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
        """Return the lock of a service; who holds it is the only one that moto answers there."""
        with self._guard:
            return self._locks.setdefault(service, threading.RLock())
