"""API operations of requests, which are finer than IAM actions: UploadPart and PutObject are one action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_cloud.http.iam_calls import ServiceCall
from local_cloud.http.wsgi import bucket_and_key, query_of, signed_service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MANIFEST_SUFFIX = ".manifest.json"


def operation_of(environ: WSGIEnvironment, asked: ServiceCall) -> str:
    """Return the API operation of the request's call `asked`.

    It is empty for the reads that Rekognition, and S3 for a copy, do on behalf of their caller.
    """
    service, _, action = asked.action.partition(":")
    if service == "lambda":
        return action.removesuffix("Function")
    if service != "s3":
        return action
    is_copy = "HTTP_X_AMZ_COPY_SOURCE" in environ
    if signed_service(environ) != "s3" or (is_copy and action.startswith("Get")):
        return ""
    _, key = bucket_and_key(environ)
    method = environ["REQUEST_METHOD"]
    if not key:
        return "ListObjectsV2" if method == "GET" else f"{method} of a bucket"
    return _object_operation(method, key, query_of(environ), is_copy=is_copy)


def _object_operation(method: str, key: str, query: Mapping[str, str], *, is_copy: bool) -> str:
    if "uploadId" in query:
        part = "UploadPartCopy" if is_copy else "UploadPart"
        return {"DELETE": "AbortMultipartUpload", "POST": "CompleteMultipartUpload"}.get(method, part)
    if method == "POST":
        return "CreateMultipartUpload"
    if method != "PUT":
        return f"{method.capitalize()}Object"
    if is_copy:
        return "CopyObject"
    return "PutObject of a manifest" if key.endswith(_MANIFEST_SUFFIX) else "PutObject"
