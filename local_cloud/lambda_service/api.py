"""Lambda in front of moto: Invoke is answered here; what deploys a function is noted on its way to moto."""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from local_cloud.http.wsgi import Answer, call, json_answer, path_of, read_body
from local_cloud.lambda_service.concurrency import TooManyInvocations
from local_cloud.lambda_service.invocations import CloudClosed, Invocations
from local_cloud.lambda_service.registry import (
    Function,
    FunctionRegistry,
    UnsupportedCode,
    function_name,
    parse_request,
)
from local_cloud.lambda_service.sandbox import Invocation, Outcome

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PATH = re.compile(r"^/[\d-]+/functions(?:/(?P<name>[^/]+)(?:/(?P<verb>[\w-]+))?)?/?$")
_ACCOUNT_SETTINGS = re.compile(r"^/[\d-]+/account-settings/?$")
_SYNCHRONOUS_LIMIT_BYTES = 6 * 1024 * 1024
_ASYNCHRONOUS_LIMIT_BYTES = 1024 * 1024
_DEFAULT_AT_ONCE = 1000


class LambdaApi:
    """WSGI application for requests to Lambda."""

    def __init__(
        self,
        moto: WSGIApplication,
        registry: FunctionRegistry,
        invocations: Invocations,
        at_once: int | None = None,
    ) -> None:
        self._at_once = at_once or _DEFAULT_AT_ONCE
        # What moto took and what is kept here must come from the same request.
        self._deploying = threading.Lock()
        self._moto = moto
        self._registry = registry
        self._invocations = invocations

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        match = _PATH.match(path_of(environ))
        if match is None:
            return self._other(environ, start_response)
        name, verb = match["name"], match["verb"]
        method = environ["REQUEST_METHOD"]
        if verb == "invocations":
            return self._invoke(environ, name).send(start_response)
        if (method, name, verb) == ("POST", None, None):
            return self._deploy(environ, None, has_code=True).send(start_response)
        if method == "PUT" and verb in {"code", "configuration"}:
            return self._deploy(environ, function_name(name), has_code=verb == "code").send(start_response)
        if method == "DELETE" and name and verb is None:
            return self._delete(environ, function_name(name)).send(start_response)
        return self._moto(environ, start_response)

    def _other(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _ACCOUNT_SETTINGS.match(path_of(environ)):
            limits = {"ConcurrentExecutions": self._at_once, "UnreservedConcurrentExecutions": self._at_once}
            return json_answer("200 OK", {"AccountLimit": limits}).send(start_response)
        return self._moto(environ, start_response)

    def send_event(self, function_arn: str, event: bytes) -> None:
        """Invoke a function later, as Lambda does with the events of other services."""
        name = function_name(function_arn)
        self._invocations.enqueue(lambda: self._registry.find(name), name, Invocation(event))

    def _invoke(self, environ: WSGIEnvironment, name: str) -> Answer:
        function = self._registry.find(name)
        if function is None:
            return _error("404 Not Found", "ResourceNotFoundException", f"Function not found: {name}")
        payload = read_body(environ) or b"{}"
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        refusal = _refusal(payload, kind)
        if refusal is not None:
            return refusal
        if kind == "DryRun":
            return Answer("204 No Content")
        try:
            return self._run(function, Invocation(payload), environ, is_event=kind == "Event")
        except TooManyInvocations as error:
            return _throttled(str(error))
        except CloudClosed:
            return _error("503 Service Unavailable", "ServiceException", "the local cloud is closing")

    def _run(
        self, function: Function, invocation: Invocation, environ: WSGIEnvironment, *, is_event: bool
    ) -> Answer:
        headers = {"x-amzn-RequestId": invocation.request_id, "X-Amz-Executed-Version": "$LATEST"}
        if is_event:
            self._invocations.enqueue(lambda: self._registry.find(function.name), function.name, invocation)
            return Answer("202 Accepted", headers)
        return _outcome_answer(self._invocations.invoke(function, invocation), headers, environ)

    def _deploy(self, environ: WSGIEnvironment, name: str | None, *, has_code: bool) -> Answer:
        request = parse_request(read_body(environ))
        target = name or request.get("FunctionName", "")
        command = request.get("ImageConfig", {}).get("Command")
        with self._deploying:
            try:
                code = self._registry.read_code(target, request) if has_code else None
            except UnsupportedCode as error:
                return _error("400 Bad Request", "InvalidParameterValueException", str(error))
            answer = call(self._moto, environ)
            if answer.succeeded:
                self._registry.keep(json.loads(answer.body), code, command)
                self._invocations.retire(target)
        return answer

    def _delete(self, environ: WSGIEnvironment, name: str) -> Answer:
        with self._deploying:
            answer = call(self._moto, environ)
            if answer.succeeded:
                self._registry.forget(name)
                self._invocations.retire(name)
        return answer


def concurrency_of(function: Function, zip_limit: int, image_limit: int) -> int:
    """Return how many sandboxes `function` may have at once."""
    return image_limit if function.is_image else zip_limit


def _refusal(payload: bytes, kind: str) -> Answer | None:
    limit_bytes = _ASYNCHRONOUS_LIMIT_BYTES if kind == "Event" else _SYNCHRONOUS_LIMIT_BYTES
    if len(payload) > limit_bytes:
        return _error(
            "413 Request Entity Too Large",
            "RequestTooLargeException",
            f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation",
        )
    try:
        json.loads(payload)
    except ValueError as error:
        return _error(
            "400 Bad Request",
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
        )
    return None


def _outcome_answer(outcome: Outcome, headers: dict[str, str], environ: WSGIEnvironment) -> Answer:
    payload, function_error = outcome.payload, outcome.function_error
    if len(payload) > _SYNCHRONOUS_LIMIT_BYTES:
        message = (
            f"Response payload size exceeded maximum allowed payload size ({_SYNCHRONOUS_LIMIT_BYTES} bytes)."
        )
        payload = json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}).encode()
        function_error = "Unhandled"
    named = {**headers, "Content-Type": "application/json"}
    if function_error:
        named["X-Amz-Function-Error"] = function_error
    if environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail":
        named["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail).decode()
    return Answer("200 OK", named, payload)


def _throttled(message: str) -> Answer:
    reason = {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": message}
    return _refused("429 Too Many Requests", "TooManyRequestsException", reason)


def _error(status: str, code: str, message: str) -> Answer:
    return _refused(status, code, {"Type": "User", "Message": message})


def _refused(status: str, code: str, document: dict[str, str]) -> Answer:
    # Without a request id moto's state machine gives the error another name: States.Runtime.
    headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": str(uuid.uuid4())}
    return json_answer(status, document, headers)
