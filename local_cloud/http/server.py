"""The HTTP server of the local cloud: one port of this machine, its thread, and its quiet log."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

from local_cloud.errors import PortTaken

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"


def moto_application() -> DomainDispatcherApplication:
    """Return moto: the application for every service that has none of its own here."""
    return DomainDispatcherApplication(create_backend_app)


class QuietRequestHandler(MotoRequestHandler):
    """Writes no line per request; errors still go to the log."""

    timeout = 10  # seconds a client may keep silent: closing waits for its thread

    def log_request(self, *_: Any) -> None:
        """Write nothing."""


class CloudServer(ThreadedWSGIServer):
    """Serves an application from a thread, until it is closed."""

    # Closing waits for the requests under way, so that no thread is left and no answer lost.
    daemon_threads = False

    def __init__(self, application: WSGIApplication, port: int) -> None:
        _require_free(port)
        super().__init__(HOST, port, application, handler=QuietRequestHandler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="local-cloud")
        self._thread.start()

    def close(self) -> None:
        """Stop serving and give the port back."""
        self.shutdown()
        self._thread.join()
        self.server_close()


def _require_free(port: int) -> None:
    # werkzeug would print advice and end the process.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(f"port {port} of {HOST} is taken: {error.strerror}") from error
