"""Request signatures: botocore's own signers compute them again, and they are compared."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local_cloud.http.access_keys import AccessKey, AccessKeys, Caller
from local_cloud.http.wsgi import form_fields, query_of, read_body, request_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ALGORITHM = "AWS4-HMAC-SHA256"
_SCOPE_PARTS = 5
_UNSIGNED = "UNSIGNED-PAYLOAD"


class NotSigned(Exception):
    """The request has no valid signature with a key of this cloud; `code` is S3's name of the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def signer_of(environ: WSGIEnvironment, keys: AccessKeys) -> Caller:
    """Return the caller that signed a request in its header, its query or its form; raise NotSigned."""
    query = query_of(environ)
    if environ.get("HTTP_AUTHORIZATION", "").startswith(_ALGORITHM):
        return _header_signer(environ, keys)
    if "X-Amz-Signature" in query:
        return _query_signer(environ, query, keys)
    if "AWSAccessKeyId" in query:
        caller, key = _known(query["AWSAccessKeyId"], keys, query.get("x-amz-security-token", ""))
        _require_same(query.get("Signature", ""), _version_2_signature(environ, query, key))
        return caller
    if environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form"):
        return _form_signer(form_fields(environ), keys)
    raise NotSigned(
        "AccessDenied",
        "The request is not signed: export the keys that the local cloud printed at its start.",
    )


def _header_signer(environ: WSGIEnvironment, keys: AccessKeys) -> Caller:
    authorization = request_of(environ).authorization
    parts = {name: value or "" for name, value in authorization.parameters.items()} if authorization else {}
    scope, names = parts.get("Credential", ""), parts.get("SignedHeaders", "").split(";")
    caller, key = _known(scope.partition("/")[0], keys, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
    signer = _Signer(key, scope, names)
    date = environ.get("HTTP_X_AMZ_DATE", "")
    _require_same(parts.get("Signature", ""), signer.signature(_request(environ, names), date))
    return caller


def _query_signer(environ: WSGIEnvironment, query: dict[str, str], keys: AccessKeys) -> Caller:
    scope, names = query.get("X-Amz-Credential", ""), query.get("X-Amz-SignedHeaders", "").split(";")
    caller, key = _known(scope.partition("/")[0], keys, query.get("X-Amz-Security-Token", ""))
    request = _request(environ, names, without=("X-Amz-Signature",))
    request.headers["X-Amz-Content-SHA256"] = _UNSIGNED
    signature = _Signer(key, scope, names).signature(request, query.get("X-Amz-Date", ""))
    _require_same(query["X-Amz-Signature"], signature)
    return caller


def _form_signer(fields: dict[str, str], keys: AccessKeys) -> Caller:
    """Return the caller that signed the policy of a form; the policy's conditions are not checked."""
    policy, scope = fields.get("policy", ""), fields.get("x-amz-credential", "")
    key_id, token = fields.get("awsaccesskeyid"), fields.get("x-amz-security-token", "")
    caller, key = _known(key_id or scope.partition("/")[0], keys, token)
    if scope:
        signature = _Signer(key, scope, []).of_text(policy, fields.get("x-amz-date", ""))
        _require_same(fields.get("x-amz-signature", ""), signature)
    else:
        _require_same(fields.get("signature", ""), HmacV1Auth(_credentials(key)).sign_string(policy))
    return caller


class _Signer:
    """A signer of botocore for a given credential scope and given header names."""

    def __init__(self, key: AccessKey, scope: str, names: list[str]) -> None:
        parts = scope.split("/")
        if len(parts) != _SCOPE_PARTS:
            raise NotSigned("AuthorizationHeaderMalformed", "The credential scope does not have five parts.")
        region, service = parts[2], parts[3]
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        self._signer: Any = kind(_credentials(key), service, region)
        self._names = names
        self._signer.headers_to_sign = self._signed_headers

    def signature(self, request: AWSRequest, date: str) -> str:
        """Return the signature of a request; `date` has the format of X-Amz-Date."""
        request.context["timestamp"] = date
        text = self._signer.string_to_sign(request, self._signer.canonical_request(request))
        return str(self._signer.signature(text, request))

    def of_text(self, text: str, date: str) -> str:
        """Return the signature of a text; `date` has the format of X-Amz-Date."""
        request = AWSRequest(method="POST", url="http://localhost/")
        request.context["timestamp"] = date
        return str(self._signer.signature(text, request))

    def _signed_headers(self, request: AWSRequest) -> HTTPHeaders:
        chosen = HTTPHeaders()
        for name in self._names:
            chosen[name] = request.headers.get(name, "")
        return chosen


def _version_2_signature(environ: WSGIEnvironment, query: dict[str, str], key: AccessKey) -> str:
    """Return the signature with which boto3 presigns S3 URLs unless it is told to use version 4."""
    signed = HTTPHeaders()
    for name, value in query.items():
        if name.lower().startswith("x-amz-") or name.lower() in {"content-md5", "content-type"}:
            signed[name.lower()] = value
    signer = HmacV1QueryAuth(_credentials(key))
    signer._get_date = lambda: query.get("Expires", "")  # noqa: SLF001 the date that was signed
    path = urlsplit(environ["RAW_URI"])
    host = environ["HTTP_HOST"].partition(":")[0]
    bucket = host.removesuffix(".localhost") if host.endswith(".localhost") else ""
    auth_path = f"/{bucket}{path.path}" if bucket else None
    return str(signer.get_signature(environ["REQUEST_METHOD"], path, signed, auth_path=auth_path))


def _request(environ: WSGIEnvironment, names: list[str], without: tuple[str, ...] = ()) -> AWSRequest:
    """Return the request as it was sent, without the query parameters in `without`.

    Its body is read only where the request does not name the body's digest.
    """
    path, _, query = environ["RAW_URI"].partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in without)
    sent = request_of(environ).headers
    present = {name: sent[name] for name in [*names, "x-amz-content-sha256"] if name in sent}
    body = b"" if "x-amz-content-sha256" in present or without else read_body(environ)
    url = f"http://localhost{path}" + (f"?{kept}" if kept else "")
    return AWSRequest(environ["REQUEST_METHOD"], url, present, body)


def _known(key_id: str, keys: AccessKeys, token: str) -> tuple[Caller, AccessKey]:
    """Return the caller and the key of this id; raise NotSigned where this cloud did not issue it.

    The key of a session is good with its token only.
    """
    found = keys.find(key_id)
    if found is None:
        raise NotSigned(
            "InvalidAccessKeyId",
            "The request is signed with a key that this run of the local cloud did not issue: export the"
            " keys that it printed at its start.",
        )
    if found[1].token and not hmac.compare_digest(token.encode(), found[1].token.encode()):
        raise NotSigned("InvalidToken", "The request does not have the session token of its access key.")
    return found


def _credentials(key: AccessKey) -> Credentials:
    return Credentials(key.key_id, key.secret)


def _require_same(given: str, computed: str) -> None:
    if not hmac.compare_digest(given.encode(), computed.encode()):
        raise NotSigned(
            "SignatureDoesNotMatch", "The signature of the request does not match its access key's secret."
        )
