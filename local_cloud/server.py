"""The HTTP server of the local cloud: one port of this machine, its thread, and its quiet log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"


class QuietRequestHandler(MotoRequestHandler):
    """Writes no line per request; errors still go to the log."""

    timeout = 10  # seconds a client may keep silent: closing waits for its thread

    def log_request(self, *_: Any) -> None:
        """Write nothing."""


class CloudServer:
    """Serves an application from a thread, until it is closed."""

    def __init__(self, application: WSGIApplication, port: int) -> None:
        self._server = make_server(
            HOST, port, application, threaded=True, request_handler=QuietRequestHandler
        )
        # Closing waits for the requests under way, so that no thread is left and no answer lost.
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._serve, name="local-cloud", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port, chosen by the system where 0 was asked for."""
        return int(self._server.port)

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)
