"""WSGI in values: the body of a request, an answer, the service a request is signed for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Where the environment of a request says who signed it, once that was checked.
SIGNER = "local_cloud.signer"
_CREDENTIAL_PARTS = 5


@dataclass(frozen=True)
class Answer:
    """One HTTP response, whole."""

    status: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        """Return whether the status is one of 2xx."""
        return self.status.startswith("2")

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Return the response as WSGI wants it."""
        headers = [pair for pair in self.headers.items() if pair[0].lower() != "content-length"]
        start_response(self.status, [*headers, ("Content-Length", str(len(self.body)))])
        return [self.body]

    def header(self, name: str) -> str:
        """Return the header `name` in any case, or an empty text."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


def json_answer(status: str, document: Any, headers: dict[str, str] | None = None) -> Answer:
    """Return `document` as a JSON response."""
    kinds = {"Content-Type": "application/json", **(headers or {})}
    return Answer(status, kinds, json.dumps(document).encode())


def read_body(environ: WSGIEnvironment) -> bytes:
    """Return the request's body, all of it received; it stays in place for the next reader."""
    length = environ.get("CONTENT_LENGTH")
    source = environ["wsgi.input"]
    body: bytes = source.read(int(length)) if length else _read_chunked(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _read_chunked(environ: WSGIEnvironment) -> bytes:
    # Without a length and without chunks there is no body, and reading would wait for one.
    if not environ.get("wsgi.input_terminated"):
        return b""
    body: bytes = environ["wsgi.input"].read()
    return body


def call(application: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Return what `application` answers, its body collected."""
    started: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        started.append((status, dict(headers)))

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = started[-1]
    return Answer(status, headers, body)


def path_of(environ: WSGIEnvironment) -> str:
    """Return the decoded path; WSGI carries its UTF-8 bytes as Latin-1."""
    path: str = environ.get("PATH_INFO", "")
    return path.encode("latin-1").decode("utf-8", "replace")


def query_of(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the query, one value a name; names without a value are kept."""
    pairs = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}


def signed_service(environ: WSGIEnvironment) -> str:
    """Return the service in the request's credential scope, or an empty text where it has none."""
    authorization: str = environ.get("HTTP_AUTHORIZATION", "")
    if authorization:
        return _scope_service(authorization.rpartition("Credential=")[2].partition(",")[0])
    return _scope_service(query_of(environ).get("X-Amz-Credential", ""))


def signed_by(environ: WSGIEnvironment) -> str:
    """Return who signed the request, a person, a function or a part of the cloud; nobody: an empty text."""
    signer: str = environ.get(SIGNER, "")
    return signer


def _scope_service(credential: str) -> str:
    parts = credential.strip().split("/")
    return parts[3] if len(parts) == _CREDENTIAL_PARTS else ""


def bucket_and_key(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the bucket and the key a request names, in its path or in its host, or empty texts."""
    path = path_of(environ).removeprefix("/")
    named, is_virtual, _ = environ.get("HTTP_HOST", "").partition(".localhost")
    if is_virtual:
        return named, path
    bucket, _, key = path.partition("/")
    return bucket, key
