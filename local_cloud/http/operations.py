"""Operations: what a request asks for, finer than its IAM action, by the names of the services' models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_cloud.http.iam_calls import ServiceCall
from local_cloud.http.wsgi import bucket_and_key, query_of, signed_service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MANIFEST_SUFFIX = ".manifest.json"


def operation_of(environ: WSGIEnvironment, asked: ServiceCall) -> str:
    """Return the operation of one of the request's calls; what Rekognition reads of S3 for it has none."""
    service, _, action = asked.action.partition(":")
    if service == "lambda":
        return action.removesuffix("Function")
    if service != "s3":
        return action
    return _s3_operation(environ) if signed_service(environ) == "s3" else ""


def _s3_operation(environ: WSGIEnvironment) -> str:
    method, query = environ["REQUEST_METHOD"], query_of(environ)
    _, key = bucket_and_key(environ)
    if not key:
        return "ListObjectsV2" if method == "GET" else f"{method} of a bucket"
    if "uploadId" in query:
        return {"DELETE": "AbortMultipartUpload", "POST": "CompleteMultipartUpload"}.get(
            method, "UploadPartCopy" if "HTTP_X_AMZ_COPY_SOURCE" in environ else "UploadPart"
        )
    if method == "POST":
        return "CreateMultipartUpload"
    if method != "PUT":
        return f"{method.capitalize()}Object"
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject"
    return "PutObject of a manifest" if key.endswith(_MANIFEST_SUFFIX) else "PutObject"
