"""Step Functions in front of moto: a machine's role must allow what its logs and traces need."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from local_cloud.http.access_keys import Caller
from local_cloud.http.wsgi import json_answer, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CHECKED = {"AWSStepFunctions.CreateStateMachine", "AWSStepFunctions.UpdateStateMachine"}
# The Step Functions guide lists these for the role of a machine that logs, and of one that traces.
_LOGS = tuple(
    f"logs:{action}"
    for action in (
        *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery"),
        *("ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
    )
)
_TRACES = (
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
)


class StatesApi:
    """WSGI application for requests to Step Functions; `missing` returns what a caller's role does not allow.

    AWS refuses a role that may not set up log delivery, and drops the traces of one that may not write them.
    Here both are refused, so that neither goes unnoticed.
    """

    def __init__(self, moto: WSGIApplication, missing: Callable[[Caller, Iterable[str]], list[str]]) -> None:
        self._moto = moto
        self._missing = missing

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("HTTP_X_AMZ_TARGET") in _CHECKED:
            request = json.loads(read_body(environ))
            lacking = self._lacking(request)
            if lacking:
                code = "AccessDeniedException"
                message = (
                    "The state machine IAM Role is not authorized to access the Log Destination or X-Ray:"
                    f" {request['roleArn']} does not allow {', '.join(lacking)}"
                )
                headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": str(uuid.uuid4())}
                refusal = json_answer("400 Bad Request", {"__type": code, "message": message}, headers)
                return refusal(environ, start_response)
        return self._moto(environ, start_response)

    def _lacking(self, request: dict[str, Any]) -> list[str]:
        if not request.get("roleArn"):
            return []
        is_logged = request.get("loggingConfiguration", {}).get("level", "OFF") != "OFF"
        is_traced = request.get("tracingConfiguration", {}).get("enabled", False)
        needed = (*(_LOGS if is_logged else ()), *(_TRACES if is_traced else ()))
        return self._missing(Caller(request.get("name", "state-machine"), request["roleArn"]), needed)
