"""IAM calls: each request to the cloud as the principal, action and resource that AWS would check."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from local_cloud.http.wsgi import bucket_and_key, caller_of, path_of, query_of, read_body, signed_service
from local_cloud.identity import ACCOUNT_ID, INTERPRETER, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_INVOKE = re.compile(r"/functions/(?P<name>[^/]+)/invocations$")
STATE_MACHINE = "state-machine"
# Queries of a bucket that ask for something else than its objects.
_SETTINGS = {
    *("acl", "cors", "encryption", "lifecycle", "location", "logging", "notification", "object-lock"),
    *("ownershipControls", "policy", "policyStatus", "publicAccessBlock", "tagging", "uploads", "versioning"),
}
_NOT_FOUND = 404
# Reading an object that is not there also takes these: S3 answers 404 only to callers that may list.
# Of a missing version the documentation does not say which one counts: here both do.
LISTS = {
    "s3:GetObject": ("s3:ListBucket",),
    "s3:GetObjectVersion": ("s3:ListBucket", "s3:ListBucketVersions"),
}
_ERROR_HEADERS = ("x-amzn-errortype", "x-amz-function-error")
_PREFIXES = {
    "AWSStepFunctions": "states",
    "AmazonSQS": "sqs",
    "RekognitionService": "rekognition",
    "Logs_20140328": "logs",
}


@dataclass(frozen=True)
class ServiceCall:
    """One IAM action on one resource; the principal is a function's name or STATE_MACHINE."""

    principal: str
    action: str
    resource: str


@dataclass(frozen=True)
class AnsweredCall:
    """A call with its answer: the HTTP status, and the error name where a header has one."""

    call: ServiceCall
    status: int
    error: str


class ServiceCalls:
    """Records the calls and their answers, without those of people and of the cloud itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[ServiceCall] = set()
        self._answers: Counter[AnsweredCall] = Counter()

    def record(self, environ: WSGIEnvironment) -> tuple[ServiceCall, ...]:
        """Record the calls in a request, and return them."""
        found = tuple(calls_in(environ))
        with self._lock:
            self._calls.update(found)
        return found

    def add(self, calls: Iterable[ServiceCall]) -> None:
        """Record calls that a service makes in the name of its caller."""
        with self._lock:
            self._calls.update(calls)

    def count(self, calls: Iterable[ServiceCall], status: str, headers: Iterable[tuple[str, str]]) -> None:
        """Count the answer to `calls`; a read that S3 answers by 404 also counts as a call to list."""
        named = {name.lower(): value for name, value in headers}
        error = next((named[name] for name in _ERROR_HEADERS if name in named), "")
        code = int(status.partition(" ")[0])
        listed = {
            ServiceCall(call.principal, action, call.resource.partition("/")[0])
            for call in calls
            if code == _NOT_FOUND
            for action in LISTS.get(call.action, ())
        }
        with self._lock:
            self._answers.update(AnsweredCall(call, code, error) for call in calls)
            self._calls.update(listed)

    def forget(self) -> None:
        """Begin the record anew."""
        with self._lock:
            self._calls.clear()
            self._answers.clear()

    def made(self) -> frozenset[ServiceCall]:
        """Return every call, once."""
        with self._lock:
            return frozenset(self._calls)

    def answered(self) -> Counter[AnsweredCall]:
        """Return how often each call got each answer."""
        with self._lock:
            return Counter(self._answers)


def calls_in(environ: WSGIEnvironment) -> Iterator[ServiceCall]:
    """Yield the IAM calls of a request: one or more of each role's, none of an operator's."""
    # Addresses that are signed in the older way name no service: they are S3's.
    caller, service = caller_of(environ), signed_service(environ) or "s3"
    if not caller.role_arn:
        return
    is_machine = caller.principal == INTERPRETER and bool(caller.service)
    principal = STATE_MACHINE if is_machine else caller.principal
    if service == "lambda" and (match := _INVOKE.search(unquote(path_of(environ)))):
        name = match["name"].rpartition(":function:")[2]
        yield ServiceCall(principal, "lambda:InvokeFunction", _arn("lambda", f"function:{name}"))
    elif service == "s3":
        bucket, key = bucket_and_key(environ)
        arn = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
        yield ServiceCall(principal, _s3_action(environ, key), arn)
        if copied := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
            place, _, version = unquote(copied).removeprefix("/").partition("?versionId=")
            read = "s3:GetObjectVersion" if version else "s3:GetObject"
            yield ServiceCall(principal, read, f"arn:aws:s3:::{place}")
    elif "HTTP_X_AMZ_TARGET" in environ:
        yield from _json_calls(environ, principal)
    else:
        # No function of the project calls these: a policy must allow them on every resource.
        form = parse_qs(read_body(environ).decode("latin-1"))
        action = form.get("Action", [f"{environ['REQUEST_METHOD']} {path_of(environ)}"])[0]
        yield ServiceCall(principal, f"{service}:{action}", "*")


def _json_calls(environ: WSGIEnvironment, principal: str) -> Iterator[ServiceCall]:
    """Yield the calls of a request in a JSON protocol: Step Functions, SQS, Rekognition, logs."""
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    action = f"{_PREFIXES.get(target, target or 'unknown')}:{operation}"
    body = _json_body(environ)
    if "QueueUrl" in body:
        queue = str(body["QueueUrl"]).rpartition("/")[2]
        yield ServiceCall(principal, action, _arn("sqs", queue))
        return
    if "logGroupName" in body:
        yield ServiceCall(principal, action, _arn("logs", f"log-group:{body['logGroupName']}:*"))
        return
    yield ServiceCall(principal, action, str(body.get("stateMachineArn", "*")))
    video = body.get("Video", {}).get("S3Object")
    if video:
        # Rekognition reads the video with its caller's permissions.
        read = "s3:GetObjectVersion" if video.get("Version") else "s3:GetObject"
        yield ServiceCall(principal, read, f"arn:aws:s3:::{video['Bucket']}/{video['Name']}")


def _s3_action(environ: WSGIEnvironment, key: str) -> str:
    method, query = environ["REQUEST_METHOD"], query_of(environ)
    if not key:
        listed = "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket"
        is_list = method in {"GET", "HEAD"} and not _SETTINGS & query.keys()
        return listed if is_list else f"s3:{method} of a bucket"
    if method in {"GET", "HEAD"}:
        return "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"
    if method == "DELETE":
        if "uploadId" in query:
            return "s3:AbortMultipartUpload"
        return "s3:DeleteObjectVersion" if "versionId" in query else "s3:DeleteObject"
    return "s3:PutObject"


def _json_body(environ: WSGIEnvironment) -> dict[str, Any]:
    """Return the JSON object in the body, or an empty one where the body is something else."""
    try:
        body = json.loads(read_body(environ) or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"
