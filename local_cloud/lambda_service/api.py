"""Lambda in front of moto: answers Invoke itself, and records deployed functions on their way to moto."""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from local_cloud.http.access_keys import Caller
from local_cloud.http.wsgi import Answer, call, json_answer, path_of, read_body
from local_cloud.lambda_service.concurrency import TooManyInvocations
from local_cloud.lambda_service.invocations import CloudClosed, Invocations
from local_cloud.lambda_service.registry import (
    FunctionRegistry,
    UnsupportedCode,
    function_name,
    parse_request,
)
from local_cloud.lambda_service.sandbox import Invocation, Outcome
from local_cloud.settings import CloudSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PATH = re.compile(r"^/[\d-]+/functions(?:/(?P<name>[^/]+)(?:/(?P<verb>[\w-]+))?)?/?$")
_ACCOUNT_SETTINGS = re.compile(r"^/[\d-]+/account-settings/?$")
_SYNCHRONOUS_LIMIT_BYTES = 6 * 1024 * 1024
_ASYNCHRONOUS_LIMIT_BYTES = 1024 * 1024
_DEFAULT_AT_ONCE = 1000
# Lambda joins a VPC with these permissions of the function's role.
_JOINS_VPC = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


class LambdaApi:
    """WSGI application for requests to Lambda; `missing` returns the actions that a caller's role lacks."""

    def __init__(
        self,
        moto: WSGIApplication,
        registry: FunctionRegistry,
        invocations: Invocations,
        missing: Callable[[Caller, Iterable[str]], list[str]],
        settings: CloudSettings | None = None,
    ) -> None:
        given = settings or CloudSettings()
        self._missing = missing
        self._memory_mb = given.function_memory_mb
        self._stale_permissions = given.stale_permissions
        # How often S3 does not see yet that it may call a function.
        self._unseen: dict[str, int] = {}
        self._at_once = given.account_concurrency or _DEFAULT_AT_ONCE
        # Without it moto and the registry could keep the code of two different requests.
        self._deploying = threading.Lock()
        self._moto = moto
        self._registry = registry
        self._invocations = invocations

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._own_answer(environ) or self._moto
        return answer(environ, start_response)

    def send_event(self, function_arn: str, event: bytes) -> None:
        """Queue an event for a function, as Lambda does with the events of other services."""
        name = function_name(function_arn)
        self._invocations.enqueue(lambda: self._registry.find(name), name, Invocation(event))

    def is_destination(self, function_arn: str) -> bool:
        """Return whether S3 sees a function that it may call; a new permission it may not see at once."""
        function = self._registry.find(function_arn)
        if function is None:
            return False
        with self._deploying:
            left = self._unseen.get(function.name, 0)
            self._unseen[function.name] = max(left - 1, 0)
        return not left

    def _own_answer(self, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer to a request that moto does not answer alone, or None."""
        path, method = path_of(environ), environ["REQUEST_METHOD"]
        if _ACCOUNT_SETTINGS.match(path):
            limits = {"ConcurrentExecutions": self._at_once, "UnreservedConcurrentExecutions": self._at_once}
            return json_answer("200 OK", {"AccountLimit": limits})
        match = _PATH.match(path)
        if match is None:
            return None
        name, verb = match["name"], match["verb"]
        if verb == "invocations":
            return self._invoke(environ, name)
        is_update = method == "PUT" and verb in {"code", "configuration"}
        if is_update or (method, name, verb) == ("POST", None, None):
            target = function_name(name) if name else None
            return self._deploy(environ, target, has_code=verb != "configuration")
        changes = {("POST", "policy"): self._permit, ("DELETE", None): self._delete}
        change = changes.get((method, verb)) if name else None
        return change(environ, function_name(name)) if change else None

    def _invoke(self, environ: WSGIEnvironment, name: str) -> Answer:
        function = self._registry.find(name)
        if function is None:
            return _error("404 Not Found", "ResourceNotFoundException", f"Function not found: {name}")
        payload = read_body(environ) or b"{}"
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        refusal = _payload_refusal(payload, kind)
        if refusal is not None or kind == "DryRun":
            return refusal or Answer(status="204 No Content")
        invocation = Invocation(payload)
        headers = {"x-amzn-RequestId": invocation.request_id, "X-Amz-Executed-Version": "$LATEST"}
        try:
            if kind == "Event":
                find = partial(self._registry.find, function.name)
                self._invocations.enqueue(find, function.name, invocation)
                return Answer(status="202 Accepted", headers=headers)
            outcome = self._invocations.invoke(function, invocation)
        except TooManyInvocations as error:
            reason = {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": str(error)}
            return _refused("429 Too Many Requests", "TooManyRequestsException", reason)
        except CloudClosed:
            return _error("503 Service Unavailable", "ServiceException", "the local cloud is closing")
        wants_log = environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail"
        return _outcome_answer(outcome, headers, wants_log=wants_log)

    def _deploy(self, environ: WSGIEnvironment, name: str | None, *, has_code: bool) -> Answer:
        request = parse_request(read_body(environ))
        target = name or request.get("FunctionName", "")
        if int(request.get("MemorySize", 0)) > self._memory_mb:
            message = (
                "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal"
                f" to {self._memory_mb}"
            )
            return _error("400 Bad Request", "InvalidParameterValueException", message)
        command = request.get("ImageConfig", {}).get("Command")
        lacking = self._lacking(target, request)
        if lacking:
            message = (
                "The provided execution role does not have permissions to call"
                f" {', '.join(action.partition(':')[2] for action in lacking)} on EC2"
            )
            return _error("400 Bad Request", "InvalidParameterValueException", message)
        with self._deploying:
            try:
                code = self._registry.read_code(target, request) if has_code else None
            except UnsupportedCode as error:
                return _error("400 Bad Request", "InvalidParameterValueException", str(error))
            answer = call(self._moto, environ)
            if answer.succeeded:
                self._registry.keep(json.loads(answer.get_data()), code, command)
                self._invocations.retire(target)
        return answer

    def _lacking(self, name: str, request: dict[str, Any]) -> list[str]:
        """Return the actions that the role of a function needs to join a VPC and does not allow."""
        if not (request.get("VpcConfig") or {}).get("SubnetIds"):
            return []
        known = self._registry.find(name)
        role_arn = request.get("Role") or (known.role_arn if known else "")
        # Lambda makes these calls itself, not the function: they come from no function's ARN.
        return self._missing(Caller(name, role_arn), _JOINS_VPC)

    def _permit(self, environ: WSGIEnvironment, name: str) -> Answer:
        answer = call(self._moto, environ)
        if answer.succeeded:
            with self._deploying:
                self._unseen[name] = self._stale_permissions
        return answer

    def _delete(self, environ: WSGIEnvironment, name: str) -> Answer:
        with self._deploying:
            answer = call(self._moto, environ)
            if answer.succeeded:
                self._registry.forget(name)
                self._invocations.retire(name)
        return answer


def _payload_refusal(payload: bytes, kind: str) -> Answer | None:
    """Return the refusal of a payload that is too large or not JSON; None for a good one."""
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


def _outcome_answer(outcome: Outcome, headers: dict[str, str], *, wants_log: bool) -> Answer:
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
    if wants_log:
        named["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail).decode()
    return Answer(payload, headers=named)


def _error(status: str, code: str, message: str) -> Answer:
    return _refused(status, code, {"Type": "User", "Message": message})


def _refused(status: str, code: str, document: dict[str, str]) -> Answer:
    # Without a request id moto's state machine names the error States.Runtime.
    headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": str(uuid.uuid4())}
    return json_answer(status, document, headers)
