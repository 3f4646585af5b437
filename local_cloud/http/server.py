"""The HTTP server of the local cloud: it listens on one port of this machine, from a thread."""

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
    """Return moto, which answers for every service that the local cloud does not implement itself."""
    return DomainDispatcherApplication(create_backend_app)


class QuietRequestHandler(MotoRequestHandler):
    """Logs errors only, not each request."""

    timeout = 10  # Seconds a client may send nothing: closing waits for its thread.

    def log_request(self, *_: Any) -> None:
        """Write nothing."""


class CloudServer(ThreadedWSGIServer):
    """Serves an application from a thread until it is closed; raises PortTaken where it cannot listen."""

    # Closing waits for unfinished requests, so that no thread is left and no answer is lost.
    daemon_threads = False

    def __init__(self, application: WSGIApplication, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                # Checked first: werkzeug would print advice and end the process.
                probe.bind((HOST, port))
            except OSError as error:
                raise PortTaken(f"port {port} of {HOST} is taken: {error.strerror}") from error
        super().__init__(HOST, port, application, handler=QuietRequestHandler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="local-cloud")
        self._thread.start()

    def close(self) -> None:
        """Stop serving and release the port."""
        self.shutdown()
        self._thread.join()
        self.server_close()
