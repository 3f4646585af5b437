"""The Lambda Runtime API of one sandbox: a listening socket; the thread that invokes answers its requests.

Each sandbox has its own port: awslambdaric reports init errors through http.client, which accepts no path
after the port, so a path prefix on the cloud's port would lose them. Requests wait in the socket's backlog
until the next invocation; no thread serves an idle sandbox. Requests from web pages, or to another name of
this machine, are refused: they could take the function's event, or answer for it.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import IO

_LOOPBACK = "127.0.0.1"
_REQUEST_LIMIT_S = 30.0
VERSION_PATH = "/2018-06-01/runtime"


@dataclass
class RuntimeRequest:
    """One request of the runtime client; its connection is open until it is answered or closed."""

    path: str
    body: bytes
    is_foreign: bool
    _connection: socket.socket

    def answer(self, status: str, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Answer and close the connection; a client that has died is detected by its exit, not here."""
        lines = {
            "Content-Type": "application/json",
            **(headers or {}),
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with self._connection as connection:
            try:
                connection.sendall(head.encode() + b"\r\n" + body)
            except OSError:
                return

    def close(self) -> None:
        """Close the connection without an answer."""
        self._connection.close()


class RuntimeApi:
    """The endpoint from which one sandbox gets its events and to which it posts the results."""

    def __init__(self) -> None:
        self._listener = socket.create_server((_LOOPBACK, 0), backlog=8)

    @property
    def address(self) -> str:
        """Return `host:port`, the value of AWS_LAMBDA_RUNTIME_API."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def receive(self, wait_s: float) -> RuntimeRequest | None:
        """Return the next request, or None where no whole request arrives within `wait_s` seconds."""
        self._listener.settimeout(max(wait_s, 0.001))
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            return None
        connection.settimeout(_REQUEST_LIMIT_S)
        try:
            request = _read_request(connection, self.address)
        except (OSError, ValueError, http.client.HTTPException):
            # The process ended within its request; its exit code gives the reason.
            connection.close()
            return None
        if request.is_foreign:
            request.answer("403 Forbidden")
            return None
        return request

    def close(self) -> None:
        """Release the port."""
        self._listener.close()


def _read_request(connection: socket.socket, address: str) -> RuntimeRequest:
    with connection.makefile("rb") as stream:
        _, path, _ = stream.readline().decode("latin-1").split(" ")
        headers = http.client.parse_headers(stream)
        if headers.get("Expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(_read_chunks(stream))
        else:
            length = int(headers.get("Content-Length", "0"))
            body = stream.read(length)
            if len(body) < length:
                raise ConnectionError("the runtime client hung up within its request")
    is_foreign = headers.get("Host") != address or "Origin" in headers or "Sec-Fetch-Site" in headers
    return RuntimeRequest(path, body, is_foreign, connection)


def _read_chunks(stream: IO[bytes]) -> list[bytes]:
    chunks = []
    while size := int(stream.readline().split(b";")[0], 16):
        chunks.append(stream.read(size))
        stream.readline()
    return chunks
