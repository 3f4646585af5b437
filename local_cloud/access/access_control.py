"""Access control: requests to this machine's names, from no foreign page, signed with a key of this run.

`make up` always uses the same port, and the cloud runs code: anything a foreign page can make a browser send
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local_cloud.access.signatures import NotSigned, signer_of
from local_cloud.http.access_keys import OPERATOR, AccessKey, AccessKeys, Caller
from local_cloud.http.wsgi import CALLER, Answer, bucket_and_key, call, json_answer, read_body, signed_service
from local_cloud.identity import ACCOUNT_ID
from local_cloud.s3_service.cors import BucketCors, CorsRule

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|[a-z0-9][a-z0-9.-]*\.localhost)(?::(?P<port>\d+))?")
_OWN_PAGES = {"", "same-origin", "none"}
_XML = {"Content-Type": "application/xml"}
_ISSUED = re.compile(
    rb"<AccessKeyId>(?P<key_id>\w+)</AccessKeyId>.*?<SecretAccessKey>(?P<secret>[^<]+)</SecretAccessKey>"
    rb"(?:\s*<SessionToken>(?P<token>[^<]+)</SessionToken>)?",
    re.DOTALL,
)
# What the other services call S3's errors.
_NAMES = {
    "InvalidAccessKeyId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "AccessDenied": "AccessDeniedException",
    "InvalidToken": "UnrecognizedClientException",
}


class AccessControl:
    """WSGI application before the front; it sets CALLER in the environment of each request it passes on."""

    def __init__(self, front: WSGIApplication, keys: AccessKeys, cors: BucketCors) -> None:
        self._front = front
        self._keys = keys
        self._cors = cors

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or refuse it."""
        host = environ.get("HTTP_HOST", "")
        if not is_own_host(host, environ["SERVER_PORT"]):
            message = f"The local cloud answers to 127.0.0.1 and localhost, not to {host[:100] or 'no host'}."
            return _refused(environ, "AccessDenied", message)(environ, start_response)
        rule = None
        if _is_foreign_page(environ):
            rule = self._rule(environ)
            if rule is None:
                origin = environ.get("HTTP_ORIGIN", "another site")[:100]
                message = f"No CORS rule of the bucket lets a page of {origin} call the local cloud."
                return _refused(environ, "AccessDenied", message)(environ, start_response)
            if environ["REQUEST_METHOD"] == "OPTIONS":
                return Answer(headers=rule.answer(environ["HTTP_ORIGIN"]))(environ, start_response)
        allowed = rule.answer(environ["HTTP_ORIGIN"]) if rule else {}

        def without_motos_cors(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
            return start_response(status, [*kept, *allowed.items()], *error)

        try:
            environ[CALLER] = signer_of(environ, self._keys)
        except NotSigned as error:
            return _refused(environ, error.code, str(error))(environ, without_motos_cors)
        if signed_service(environ) not in {"sts", "iam"}:
            return self._front(environ, without_motos_cors)
        answer = call(self._front, environ)
        self._add_issued(environ, answer.get_data())
        return answer(environ, without_motos_cors)

    def _add_issued(self, environ: WSGIEnvironment, document: bytes) -> None:
        """Accept the keys that STS or IAM has issued: those of a role with its policies.

        The policies of other accounts are not known here: a role of theirs is an operator.
        """
        asked = parse_qs(read_body(environ).decode("latin-1"))
        role_arn, session = asked.get("RoleArn", [""])[0], asked.get("RoleSessionName", [""])[0]
        is_own = role_arn.startswith(f"arn:aws:iam::{ACCOUNT_ID}:role/")
        caller = Caller(session, role_arn) if is_own else OPERATOR
        for found in _ISSUED.finditer(document):
            key_id, secret, token = ((found[name] or b"").decode() for name in ("key_id", "secret", "token"))
            self._keys.add(AccessKey(key_id, secret, token), caller)

    def _rule(self, environ: WSGIEnvironment) -> CorsRule | None:
        """Return the bucket's CORS rule that lets a foreign page send this request, or None."""
        asked_method = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "")
        is_preflight = environ["REQUEST_METHOD"] == "OPTIONS"
        if not is_preflight and signed_service(environ) not in {"", "s3"}:
            return None
        headers = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "") if is_preflight else ""
        names = [name.strip() for name in headers.split(",") if name.strip()]
        bucket, _ = bucket_and_key(environ)
        method = asked_method if is_preflight else environ["REQUEST_METHOD"]
        return self._cors.find(bucket, environ.get("HTTP_ORIGIN", "null"), method, names)


def is_own_host(host: str, port: str) -> bool:
    """Return whether a Host header names this machine and, if it names a port, this one."""
    match = _HOST.fullmatch(host)
    return match is not None and match["port"] in (None, port)


def _is_foreign_page(environ: WSGIEnvironment) -> bool:
    """Return whether the request's headers say that a web page sent it which this cloud did not serve."""
    origin = environ.get("HTTP_ORIGIN")
    is_foreign = origin is not None and origin != f"http://{environ['HTTP_HOST']}"
    return is_foreign or environ.get("HTTP_SEC_FETCH_SITE", "") not in _OWN_PAGES


def _refused(environ: WSGIEnvironment, code: str, message: str) -> Answer:
    """Return a 403 in the protocol of the request's service; `code` is S3's name of the error."""
    service = signed_service(environ)
    if "HTTP_X_AMZ_TARGET" in environ or service == "lambda":
        document = {"__type": _NAMES[code], "message": message}
        return json_answer("403 Forbidden", document, {"x-amzn-ErrorType": _NAMES[code]})
    if service not in {"", "s3"}:
        named = f"<Type>Sender</Type><Code>{_NAMES[code]}</Code><Message>{escape(message)}</Message>"
        body = f"<ErrorResponse><Error>{named}</Error></ErrorResponse>"
    else:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Answer(body, "403 Forbidden", _XML)
