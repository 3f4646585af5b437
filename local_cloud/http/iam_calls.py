"""Who called what: each request to the cloud as the IAM action that AWS would check."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from local_cloud.http.wsgi import bucket_and_key, path_of, query_of, read_body, signed_by, signed_service
from local_cloud.identity import ACCOUNT_ID, INTERPRETER, LOG_WRITER, PERSON, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_INVOKE = re.compile(r"/functions/(?P<name>[^/]+)/invocations$")
_FUNCTION_GROUP = "/aws/lambda/"
STATE_MACHINE = "state-machine"
_NOT_FOUND = 404
_READS = {"s3:GetObject", "s3:GetObjectVersion"}
_ERROR_HEADERS = ("x-amzn-errortype", "x-amz-function-error")
_PREFIXES = {"AWSStepFunctions": "states", "AmazonSQS": "sqs", "RekognitionService": "rekognition"}


@dataclass(frozen=True)
class ServiceCall:
    """One action by one principal: a function by its name, or the state machine."""

    principal: str
    action: str
    resource: str


@dataclass(frozen=True)
class AnsweredCall:
    """An action with its answer: the HTTP status, and the name of the error where a header tells one."""

    call: ServiceCall
    status: int
    error: str


class ServiceCalls:
    """The calls so far, and their answers; requests of people and of the cloud itself are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[ServiceCall] = set()
        self._answers: Counter[AnsweredCall] = Counter()

    def note(self, environ: WSGIEnvironment) -> tuple[ServiceCall, ...]:
        """Note what the request asks for, and return it."""
        found = tuple(calls_in(environ))
        with self._lock:
            self._calls.update(found)
        return found

    def count(self, calls: Iterable[ServiceCall], status: str, headers: Iterable[tuple[str, str]]) -> None:
        """Count the answer to `calls`."""
        named = {name.lower(): value for name, value in headers}
        error = next((named[name] for name in _ERROR_HEADERS if name in named), "")
        code = int(status.partition(" ")[0])
        # S3 says that nothing is there to those alone who may list the bucket; to others it says 403.
        listed = {_listing(call) for call in calls if code == _NOT_FOUND and call.action in _READS}
        with self._lock:
            self._answers.update(AnsweredCall(call, code, error) for call in calls)
            self._calls.update(listed)

    def made(self) -> frozenset[ServiceCall]:
        """Return every call, once."""
        with self._lock:
            return frozenset(self._calls)

    def answered(self) -> Counter[AnsweredCall]:
        """Return how often each call was answered in which way."""
        with self._lock:
            return Counter(self._answers)


def calls_in(environ: WSGIEnvironment) -> Iterator[ServiceCall]:
    """Yield the actions that a request asks for; those of people and of the cloud itself are none."""
    principal, service = signed_by(environ), signed_service(environ)
    if principal == LOG_WRITER:
        yield from _log_calls(environ)
    elif principal == INTERPRETER:
        yield from _invocations(environ)
    elif principal != PERSON and service == "s3":
        yield ServiceCall(principal, _s3_action(environ), _s3_resource(environ))
    elif principal != PERSON and principal:
        yield from _json_calls(environ, principal)


def _log_calls(environ: WSGIEnvironment) -> Iterator[ServiceCall]:
    """Yield the writing of a function's log, which the cloud does in the function's name."""
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    group = str(_body(environ).get("logGroupName", ""))
    if group.startswith(_FUNCTION_GROUP) and action in {"CreateLogGroup", "CreateLogStream", "PutLogEvents"}:
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{group}:*"
        yield ServiceCall(group.removeprefix(_FUNCTION_GROUP), f"logs:{action}", arn)


def _invocations(environ: WSGIEnvironment) -> Iterator[ServiceCall]:
    match = _INVOKE.search(unquote(path_of(environ)))
    if match:
        name = match["name"].rpartition(":function:")[2]
        yield ServiceCall(STATE_MACHINE, "lambda:InvokeFunction", _arn("lambda", f"function:{name}"))


def _json_calls(environ: WSGIEnvironment, principal: str) -> Iterator[ServiceCall]:
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    action = f"{_PREFIXES.get(target, target or 'unknown')}:{operation}"
    body = _body(environ)
    if "QueueUrl" in body:
        queue = str(body["QueueUrl"]).rpartition("/")[2]
        yield ServiceCall(principal, action, _arn("sqs", queue))
        return
    yield ServiceCall(principal, action, str(body.get("stateMachineArn", "*")))
    video = body.get("Video", {}).get("S3Object")
    if video:
        # Rekognition reads the video with the rights of its caller.
        read = "s3:GetObjectVersion" if video.get("Version") else "s3:GetObject"
        yield ServiceCall(principal, read, f"arn:aws:s3:::{video['Bucket']}/{video['Name']}")


def _s3_action(environ: WSGIEnvironment) -> str:
    method, query = environ["REQUEST_METHOD"], query_of(environ)
    _, key = bucket_and_key(environ)
    if not key:
        return "s3:ListBucket" if method == "GET" else f"s3:{method} of a bucket"
    if method in {"GET", "HEAD"}:
        return "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"
    if method == "DELETE":
        if "uploadId" in query:
            return "s3:AbortMultipartUpload"
        return "s3:DeleteObjectVersion" if "versionId" in query else "s3:DeleteObject"
    return "s3:PutObject"


def _listing(read: ServiceCall) -> ServiceCall:
    return ServiceCall(read.principal, "s3:ListBucket", read.resource.partition("/")[0])


def _s3_resource(environ: WSGIEnvironment) -> str:
    bucket, key = bucket_and_key(environ)
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _body(environ: WSGIEnvironment) -> dict[str, Any]:
    try:
        body = json.loads(read_body(environ) or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"
