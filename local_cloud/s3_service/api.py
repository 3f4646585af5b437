"""S3 in front of moto: bucket notifications are answered here; what creates an object sends its events."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from local_cloud.http.serial_moto import SerialMoto
from local_cloud.http.wsgi import Answer, bucket_and_key, call, query_of, read_body
from local_cloud.s3_service.cors import BucketCors
from local_cloud.s3_service.events import BucketEvents, CreatedObject
from local_cloud.s3_service.form_upload import form_fields
from local_cloud.s3_service.notifications import (
    InvalidNotification,
    parse_notifications,
    render_notifications,
)
from local_cloud.s3_service.policies import BucketPolicies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_SUBRESOURCES = {
    "acl",
    "tagging",
    "retention",
    "legal-hold",
    "uploadId",
    "partNumber",
    "renameObject",
    "encryption",
}
_STATUS_OF_CODE = {
    "PreconditionFailed": "412 Precondition Failed",
    "NotImplemented": "501 Not Implemented",
    "NoSuchBucket": "404 Not Found",
    "NoSuchBucketPolicy": "404 Not Found",
}
_OWNER = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=none"
)


@dataclass(frozen=True)
class Creation:
    """A request that creates an object where it succeeds."""

    bucket: str
    key: str
    event_name: str


class S3Api:
    """WSGI application for requests to S3; `is_function` tells the ARNs of deployed functions."""

    def __init__(
        self,
        moto: SerialMoto,
        events: BucketEvents,
        is_function: Callable[[str], bool],
        cors: BucketCors,
    ) -> None:
        self._moto = moto
        self._events = events
        self._is_function = is_function
        self._policies = BucketPolicies()
        self._cors = cors

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; what moto does and what is told of it are one step."""
        read_body(environ)
        with self._moto.alone("s3"):
            return self._answer(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        bucket, key = bucket_and_key(environ)
        own = {"notification": self._notification, "policy": self._policy, "cors": self._put_cors}
        asked = [name for name in own if bucket and not key and name in query_of(environ)]
        if asked:
            return own[asked[0]](environ, bucket).send(start_response)
        if environ["REQUEST_METHOD"] == "DELETE" and bucket and not key and not query_of(environ):
            return self._delete_bucket(environ, start_response, bucket)
        creation = _creation(environ, bucket, key)
        if creation is not None and not self._holds(environ, creation):
            return _error("PreconditionFailed", "The object is not as it was", bucket).send(start_response)
        if creation is None or not self._events.asked_for(creation.bucket, creation.key, creation.event_name):
            return self._moto(environ, start_response)
        return self._create(environ, start_response, creation)

    def _holds(self, environ: WSGIEnvironment, creation: Creation) -> bool:
        """Return whether If-Match holds where moto does not look: when a multipart upload is completed."""
        wanted = environ.get("HTTP_IF_MATCH", "").strip('"')
        if not wanted or environ["REQUEST_METHOD"] != "POST":
            return True
        found = self._head(environ, creation, {})
        return found.succeeded and found.header("etag").strip('"') == wanted

    def _create(
        self, environ: WSGIEnvironment, start_response: StartResponse, creation: Creation
    ) -> Iterable[bytes]:
        statuses: list[tuple[str, dict[str, str]]] = []

        def noting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append((status, {name.lower(): value for name, value in headers}))
            return start_response(status, headers, *rest)

        body = self._moto(environ, noting)
        status, headers = statuses[-1]
        if status.startswith(("2", "303")):
            created = self._look_up(environ, creation, headers.get("x-amz-version-id"))
            self._events.created(created, creation.event_name)
        return body

    def _look_up(self, environ: WSGIEnvironment, creation: Creation, version_id: str | None) -> CreatedObject:
        queries: list[dict[str, str]] = [{"versionId": version_id}] if version_id else []
        # moto names a version of multipart uploads in unversioned buckets, too, and then does not know it.
        answers = (self._head(environ, creation, query) for query in [*queries, {}])
        found = next((answer for answer in answers if answer.succeeded), None)
        if found is None:
            raise RuntimeError(f"s3://{creation.bucket}/{creation.key} was just created and is not there")
        return CreatedObject(
            bucket=creation.bucket,
            key=creation.key,
            size_bytes=int(found.header("content-length")),
            etag=found.header("etag").strip('"'),
            version_id=found.header("x-amz-version-id") or None,
        )

    def _head(self, environ: WSGIEnvironment, creation: Creation, query: dict[str, str]) -> Answer:
        return call(self._moto, _internal(environ, creation.bucket, creation.key, query))

    def _notification(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        if not call(self._moto, _internal(environ, bucket, "", {})).succeeded:
            return _error("NoSuchBucket", "The specified bucket does not exist", bucket)
        if environ["REQUEST_METHOD"] == "GET":
            body = render_notifications(self._events.configuration(bucket))
            return Answer("200 OK", {"Content-Type": "application/xml"}, body)
        try:
            self._configure(bucket, read_body(environ))
        except InvalidNotification as error:
            return _error(error.code, str(error), bucket)
        return Answer("200 OK")

    def _policy(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        if not call(self._moto, _internal(environ, bucket, "", {})).succeeded:
            return _error("NoSuchBucket", "The specified bucket does not exist", bucket)
        answer = self._policies.answer(environ["REQUEST_METHOD"], bucket, read_body(environ))
        return answer or _error("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)

    def _put_cors(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        """Return moto's answer to a request about CORS rules; note what it took."""
        body = read_body(environ)
        answer = call(self._moto, environ)
        if answer.succeeded and environ["REQUEST_METHOD"] == "PUT":
            self._cors.put(bucket, body)
        elif answer.succeeded and environ["REQUEST_METHOD"] == "DELETE":
            self._cors.forget(bucket)
        return answer

    def _configure(self, bucket: str, document: bytes) -> None:
        notifications = parse_notifications(document)
        for notification in notifications:
            if not self._is_function(notification.function_arn):
                raise InvalidNotification(
                    "InvalidArgument", "Unable to validate the following destination configurations"
                )
        self._events.configure(bucket, notifications)

    def _delete_bucket(
        self, environ: WSGIEnvironment, start_response: StartResponse, bucket: str
    ) -> Iterable[bytes]:
        answer = call(self._moto, environ)
        if answer.succeeded:
            self._events.forget(bucket)
            self._policies.forget(bucket)
            self._cors.forget(bucket)
        return answer.send(start_response)


def _creation(environ: WSGIEnvironment, bucket: str, key: str) -> Creation | None:
    query = query_of(environ)
    method = environ["REQUEST_METHOD"]
    if method == "PUT" and key and not _SUBRESOURCES & query.keys():
        kind = "Copy" if "HTTP_X_AMZ_COPY_SOURCE" in environ else "Put"
        return Creation(bucket, key, f"ObjectCreated:{kind}")
    if method == "POST" and key and "uploadId" in query:
        return Creation(bucket, key, "ObjectCreated:CompleteMultipartUpload")
    if method == "POST" and bucket and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
        named = form_fields(environ).get("key")
        return Creation(bucket, named, "ObjectCreated:Post") if named else None
    return None


def _internal(environ: WSGIEnvironment, bucket: str, key: str, query: dict[str, str]) -> WSGIEnvironment:
    """Return a HEAD request of the cloud's own, on the connection of `environ`."""
    path = f"/{bucket}/{key}" if key else f"/{bucket}"
    kept = {
        name: value for name, value in environ.items() if name.startswith(("wsgi.", "SERVER_", "REMOTE_"))
    }
    encoded = quote(path)
    query_string = urlencode(query)
    uri = f"{encoded}?{query_string}" if query else encoded
    return {
        **kept,
        "SCRIPT_NAME": "",
        "REQUEST_METHOD": "HEAD",
        # Anyone may upload by a form or a presigned URL; moto lets only the owner look.
        "HTTP_AUTHORIZATION": _OWNER,
        "HTTP_HOST": "localhost",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query_string,
        "REQUEST_URI": uri,
        "RAW_URI": uri,
        "CONTENT_LENGTH": "0",
        "wsgi.input": io.BytesIO(),
    }


def _error(code: str, message: str, bucket: str) -> Answer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message><BucketName>{escape(bucket)}</BucketName></Error>"
    )
    status = _STATUS_OF_CODE.get(code, "400 Bad Request")
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())
