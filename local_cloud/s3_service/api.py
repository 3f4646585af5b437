"""S3 in front of moto: bucket notifications, policies and CORS; a created object sends its events."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from werkzeug.test import EnvironBuilder

from local_cloud.http.serial_moto import SerialMoto
from local_cloud.http.wsgi import Answer, bucket_and_key, call, form_fields, query_of, read_body
from local_cloud.s3_service.cors import BucketCors
from local_cloud.s3_service.events import BucketEvents, CreatedObject
from local_cloud.s3_service.notifications import (
    InvalidNotification,
    parse_notifications,
    render_notifications,
)

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
_XML = {"Content-Type": "application/xml"}
_OWNER = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=none"
)


@dataclass(frozen=True)
class Creation:
    """A request that creates an object if it succeeds."""

    bucket: str
    key: str
    event_name: str


class BucketPolicies:
    """The bucket policies, kept from moto, which ignores conditions; local_cloud/access evaluates them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[str, bytes] = {}

    def answer(self, method: str, bucket: str, body: bytes) -> Answer | None:
        """Answer a GET, PUT or DELETE of the policy of an existing bucket; None where there is no policy."""
        with self._lock:
            if method == "PUT":
                json.loads(body)
                self._policies[bucket] = body
                return Answer(status="204 No Content")
            if method == "DELETE":
                self._policies.pop(bucket, None)
                return Answer(status="204 No Content")
            policy = self._policies.get(bucket)
        return None if policy is None else Answer(policy, headers={"Content-Type": "application/json"})

    def find(self, bucket: str) -> bytes | None:
        """Return the policy of a bucket, or None."""
        with self._lock:
            return self._policies.get(bucket)

    def forget(self, bucket: str) -> None:
        """Drop the policy of a deleted bucket."""
        with self._lock:
            self._policies.pop(bucket, None)


class S3Api:
    """WSGI application for requests to S3; `is_destination` tells whether it may call a function."""

    def __init__(
        self,
        moto: SerialMoto,
        events: BucketEvents,
        is_destination: Callable[[str], bool],
        cors: BucketCors,
        policies: BucketPolicies,
    ) -> None:
        self._moto = moto
        self._events = events
        self._is_destination = is_destination
        self._policies = policies
        self._cors = cors

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; moto's change and what is recorded of it happen under one lock."""
        read_body(environ)
        bucket, key = bucket_and_key(environ)
        query = query_of(environ)
        with self._moto.alone("s3"):
            if bucket and not key:
                own = {"notification": self._notification, "policy": self._policy, "cors": self._put_cors}
                asked = [name for name in own if name in query]
                if asked:
                    return own[asked[0]](environ, bucket)(environ, start_response)
                if environ["REQUEST_METHOD"] == "DELETE" and not query:
                    return self._delete_bucket(environ, bucket)(environ, start_response)
            creation = _creation(environ, bucket, key)
            if creation is None:
                return self._moto(environ, start_response)
            if not self._meets_condition(environ, creation):
                error = _error("PreconditionFailed", "The object has changed", bucket)
                return error(environ, start_response)
            if not self._events.has_listeners(creation.bucket, creation.key, creation.event_name):
                return self._moto(environ, start_response)
            return self._create(environ, creation)(environ, start_response)

    def _meets_condition(self, environ: WSGIEnvironment, creation: Creation) -> bool:
        """Return whether If-Match holds where moto does not check it: completing a multipart upload."""
        wanted = environ.get("HTTP_IF_MATCH", "").strip('"')
        if not wanted or environ["REQUEST_METHOD"] != "POST":
            return True
        found = self._head(creation.bucket, creation.key)
        return found.succeeded and found.headers.get("ETag", "").strip('"') == wanted

    def _create(self, environ: WSGIEnvironment, creation: Creation) -> Answer:
        """Let moto create the object, and send its events where it did."""
        answer = call(self._moto, environ)
        if not answer.status.startswith(("2", "303")):
            return answer
        version_id = answer.headers.get("x-amz-version-id")
        queries: list[dict[str, str]] = [{"versionId": version_id}] if version_id else []
        # moto names a version of multipart uploads in unversioned buckets too, and then cannot find it.
        heads = (self._head(creation.bucket, creation.key, query) for query in [*queries, {}])
        found = next((head for head in heads if head.succeeded), None)
        if found is None:
            raise RuntimeError(f"s3://{creation.bucket}/{creation.key} was just created and cannot be found")
        created = CreatedObject(
            bucket=creation.bucket,
            key=creation.key,
            size_bytes=int(found.headers["Content-Length"]),
            etag=found.headers["ETag"].strip('"'),
            version_id=found.headers.get("x-amz-version-id") or None,
        )
        self._events.created(created, creation.event_name)
        return answer

    def _head(self, bucket: str, key: str = "", query: dict[str, str] | None = None) -> Answer:
        """Return moto's answer to the cloud's own HEAD of an object, or of a bucket where `key` is empty."""
        request = EnvironBuilder(
            quote(f"/{bucket}/{key}" if key else f"/{bucket}"),
            method="HEAD",
            query_string=urlencode(query or {}),
            # Anyone may upload with a form or a presigned URL, but moto lets only the owner read.
            headers=[("Authorization", _OWNER)],
        )
        return call(self._moto, request.get_environ())

    def _notification(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        if not self._head(bucket).succeeded:
            return _error("NoSuchBucket", "The specified bucket does not exist", bucket)
        if environ["REQUEST_METHOD"] == "GET":
            return Answer(render_notifications(self._events.configuration(bucket)), headers=_XML)
        try:
            configuration = parse_notifications(read_body(environ))
        except InvalidNotification as error:
            return _error(error.code, str(error), bucket)
        if not all(self._is_destination(one.function_arn) for one in configuration.notifications):
            message = "Unable to validate the following destination configurations"
            return _error("InvalidArgument", message, bucket)
        self._events.configure(bucket, configuration)
        return Answer()

    def _policy(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        if not self._head(bucket).succeeded:
            return _error("NoSuchBucket", "The specified bucket does not exist", bucket)
        answer = self._policies.answer(environ["REQUEST_METHOD"], bucket, read_body(environ))
        return answer or _error("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)

    def _put_cors(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        """Return moto's answer to a request about CORS rules; record the rules where moto accepted them."""
        body = read_body(environ)
        answer = call(self._moto, environ)
        if answer.succeeded and environ["REQUEST_METHOD"] == "PUT":
            self._cors.put(bucket, body)
        elif answer.succeeded and environ["REQUEST_METHOD"] == "DELETE":
            self._cors.forget(bucket)
        return answer

    def _delete_bucket(self, environ: WSGIEnvironment, bucket: str) -> Answer:
        answer = call(self._moto, environ)
        if answer.succeeded:
            self._events.forget(bucket)
            self._policies.forget(bucket)
            self._cors.forget(bucket)
        return answer


def _creation(environ: WSGIEnvironment, bucket: str, key: str) -> Creation | None:
    """Return what the request would create; None where it creates no object."""
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


def _error(code: str, message: str, bucket: str) -> Answer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message><BucketName>{escape(bucket)}</BucketName></Error>"
    )
    status = _STATUS_OF_CODE.get(code, "400 Bad Request")
    return Answer(body, status, _XML)
