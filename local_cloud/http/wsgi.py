"""Requests and answers as AWS means them, read by werkzeug: body, credential scope, signer, bucket, key."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.sansio.multipart import Data, Field, MultipartDecoder, Preamble
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

from local_cloud.http.access_keys import Caller

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# The key in a request's environment for the Caller that signed it, set once the signature is checked.
CALLER = "local_cloud.caller"
# The key for the body, once it was read.
_BODY = "local_cloud.body"
_CREDENTIAL_PARTS = 5
_NOBODY = Caller("")
_FORM_HEAD_BYTES = 64 * 1024  # S3 limits the fields before the file to 20 kB.


class Answer(Response):
    """werkzeug's Response without a content type of its own: AWS sends none with an empty body."""

    default_mimetype = None

    @property
    def succeeded(self) -> bool:
        """Return whether the status is 2xx."""
        return self.status.startswith("2")


def json_answer(status: str, document: Any, headers: dict[str, str] | None = None) -> Answer:
    """Return `document` as a JSON response."""
    return Answer(json.dumps(document), status, {"Content-Type": "application/json", **(headers or {})})


def call(application: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Return the response of `application` with its whole body in memory."""
    return Answer(*run_wsgi_app(application, environ, buffered=True))


def request_of(environ: WSGIEnvironment) -> Request:
    """Return the request in `environ`; the environment is not changed."""
    return Request(environ, populate_request=False)


def read_body(environ: WSGIEnvironment) -> bytes:
    """Return the whole body of the request, and leave it in `environ` for the next reader.

    An application may have used it up: it is read from the client once. Raise ConnectionError, on which the
    server drops the connection, where the client hangs up within it.
    """
    body: bytes | None = environ.get(_BODY)
    if body is None:
        try:
            body = request_of(environ).get_data()
        except ClientDisconnected as error:
            raise ConnectionError("the client hung up within its request") from error
    environ.update(with_body(environ, body))
    return body


def with_body(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    """Return a copy of the request with `body` in place of its own."""
    return {**environ, _BODY: body, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def path_of(environ: WSGIEnvironment) -> str:
    """Return the decoded path; werkzeug's would lose slashes at its start, which an S3 key may have."""
    path: str = environ.get("PATH_INFO", "")
    return path.encode("latin-1").decode("utf-8", "replace")


def query_of(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the first value of each name in the query; a name without a value has an empty text."""
    return request_of(environ).args.to_dict()


def form_fields(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the fields before the file of a multipart form by their names in lower case.

    S3 ignores fields behind the file. A form that cannot be read has no fields.
    """
    boundary = request_of(environ).mimetype_params.get("boundary", "")
    decoder = MultipartDecoder(boundary.encode())
    decoder.receive_data(read_body(environ)[:_FORM_HEAD_BYTES])
    fields: dict[str, str] = {}
    name = ""
    try:
        while isinstance(event := decoder.next_event(), (Preamble, Field, Data)):
            if isinstance(event, Field):
                name = event.name.lower()
                if name == "file":
                    break
            elif isinstance(event, Data) and not event.more_data:
                fields.setdefault(name, event.data.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return fields


def signed_service(environ: WSGIEnvironment) -> str:
    """Return the service in the request's credential scope, or an empty text where it has none."""
    request = request_of(environ)
    if "Authorization" in request.headers:
        signed = request.authorization.parameters if request.authorization else {}
        credential = signed.get("Credential") or ""
    else:
        credential = request.args.get("X-Amz-Credential", "")
    parts = credential.split("/")
    return parts[3] if len(parts) == _CREDENTIAL_PARTS else ""


def caller_of(environ: WSGIEnvironment) -> Caller:
    """Return the caller that signed; its principal is empty where none did."""
    caller: Caller = environ.get(CALLER, _NOBODY)
    return caller


def signed_by(environ: WSGIEnvironment) -> str:
    """Return the principal that signed: a person, a function, a part of the cloud; empty where none did."""
    return caller_of(environ).principal


def bucket_and_key(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the bucket and the key in the request's path, or in its host and path; absent ones are empty."""
    path = path_of(environ).removeprefix("/")
    named, is_virtual, _ = environ.get("HTTP_HOST", "").partition(".localhost")
    if is_virtual:
        return named, path
    bucket, _, key = path.partition("/")
    return bucket, key
