"""Signatures of requests, computed again by botocore's own signers and compared."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local_cloud.http.access_keys import AccessKey, AccessKeys
from local_cloud.http.wsgi import query_of, read_body
from local_cloud.s3_service.form_upload import form_fields

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ALGORITHM = "AWS4-HMAC-SHA256"
_SCOPE_PARTS = 5
_UNSIGNED = "UNSIGNED-PAYLOAD"


class NotSigned(Exception):
    """Nothing shows that the sender holds a key of this cloud; `code` is S3's name for what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def signer_of(environ: WSGIEnvironment, keys: AccessKeys) -> str:
    """Return who signed a request, by its header, its address or its form; raise NotSigned."""
    query = query_of(environ)
    authorization: str = environ.get("HTTP_AUTHORIZATION", "")
    if authorization.startswith(_ALGORITHM):
        return _header(environ, authorization, keys)
    if "X-Amz-Signature" in query:
        return _address(environ, query, keys)
    if "AWSAccessKeyId" in query:
        principal, key = _known(query["AWSAccessKeyId"], keys)
        _require_same(query.get("Signature", ""), _old_signature(environ, query, key))
        return principal
    if environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form"):
        return _form(form_fields(environ), keys)
    raise NotSigned(
        "AccessDenied",
        "The request is not signed: export the keys that the local cloud printed at its start.",
    )


def _header(environ: WSGIEnvironment, authorization: str, keys: AccessKeys) -> str:
    parts = dict(_pairs(authorization.removeprefix(_ALGORITHM)))
    scope, names = parts.get("Credential", ""), parts.get("SignedHeaders", "").split(";")
    principal, key = _known(scope.partition("/")[0], keys)
    signed = _Signed(key, scope, names)
    moment = environ.get("HTTP_X_AMZ_DATE", "")
    _require_same(parts.get("Signature", ""), signed.signature(_request(environ, names), moment))
    return principal


def _address(environ: WSGIEnvironment, query: dict[str, str], keys: AccessKeys) -> str:
    scope, names = query.get("X-Amz-Credential", ""), query.get("X-Amz-SignedHeaders", "").split(";")
    principal, key = _known(scope.partition("/")[0], keys)
    request = _request(environ, names, without=("X-Amz-Signature",))
    request.headers["X-Amz-Content-SHA256"] = _UNSIGNED
    signature = _Signed(key, scope, names).signature(request, query.get("X-Amz-Date", ""))
    _require_same(query["X-Amz-Signature"], signature)
    return principal


def _form(fields: dict[str, str], keys: AccessKeys) -> str:
    """Return who signed a form's policy, whose conditions are not looked at."""
    policy, scope = fields.get("policy", ""), fields.get("x-amz-credential", "")
    principal, key = _known(fields.get("awsaccesskeyid") or scope.partition("/")[0], keys)
    if scope:
        signature = _Signed(key, scope, []).of_text(policy, fields.get("x-amz-date", ""))
        _require_same(fields.get("x-amz-signature", ""), signature)
    else:
        _require_same(fields.get("signature", ""), HmacV1Auth(_credentials(key)).sign_string(policy))
    return principal


class _Signed:
    """A signer of botocore, for the scope and the headers that somebody else chose."""

    def __init__(self, key: AccessKey, scope: str, names: list[str]) -> None:
        parts = scope.split("/")
        if len(parts) != _SCOPE_PARTS:
            raise NotSigned("AuthorizationHeaderMalformed", "The scope of the credential has not five parts.")
        region, service = parts[2], parts[3]
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        self._signer: Any = kind(_credentials(key), service, region)
        self._signer.headers_to_sign = lambda request: _chosen(request.headers, names)

    def signature(self, request: AWSRequest, moment: str) -> str:
        """Return the signature of a request at `moment`, as X-Amz-Date has it."""
        request.context["timestamp"] = moment
        text = self._signer.string_to_sign(request, self._signer.canonical_request(request))
        return str(self._signer.signature(text, request))

    def of_text(self, text: str, moment: str) -> str:
        """Return the signature of a text."""
        request = AWSRequest(method="POST", url="http://localhost/")
        request.context["timestamp"] = moment
        return str(self._signer.signature(text, request))


def _old_signature(environ: WSGIEnvironment, query: dict[str, str], key: AccessKey) -> str:
    """Return what boto3 still signs addresses of S3 with where no version is asked for."""
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
    """Return the request as it was sent; its body only where its digest is not named."""
    path, _, query = environ["RAW_URI"].partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in without)
    headers = {name: _header_value(environ, name) for name in [*names, "x-amz-content-sha256"]}
    present = {name: value for name, value in headers.items() if value is not None}
    body = b"" if "x-amz-content-sha256" in present or without else read_body(environ)
    url = f"http://localhost{path}" + (f"?{kept}" if kept else "")
    return AWSRequest(environ["REQUEST_METHOD"], url, present, body)


def _header_value(environ: WSGIEnvironment, name: str) -> str | None:
    variable = name.upper().replace("-", "_")
    key = variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"
    value: str | None = environ.get(key)
    return value


def _chosen(headers: HTTPHeaders, names: list[str]) -> HTTPHeaders:
    chosen = HTTPHeaders()
    for name in names:
        chosen[name] = headers.get(name, "")
    return chosen


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        yield name, value


def _known(key_id: str, keys: AccessKeys) -> tuple[str, AccessKey]:
    found = keys.find(key_id)
    if found is None:
        raise NotSigned(
            "InvalidAccessKeyId",
            "The request is signed with a key that this run of the local cloud has not given: export what it "
            "printed at its start.",
        )
    return found


def _credentials(key: AccessKey) -> Credentials:
    return Credentials(key.key_id, key.secret)


def _require_same(given: str, computed: str) -> None:
    if not hmac.compare_digest(given.encode(), computed.encode()):
        raise NotSigned(
            "SignatureDoesNotMatch", "The signature of the request is not that of its key's holder."
        )
