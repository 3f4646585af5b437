"""What a service answers under a fault, in its own words."""

from __future__ import annotations

from typing import Any

from local_cloud.faults import FaultKind
from local_cloud.wsgi import Answer, json_answer

# Rekognition's own faults: status and name of an error, or the status of a job.
_REKOGNITION_ERRORS = {
    FaultKind.OVER_QUOTA: "LimitExceededException",
    FaultKind.RESULTS_EXPIRED: "ResourceNotFoundException",
    FaultKind.PAGE_EXPIRED: "InvalidPaginationTokenException",
}
_JOB_STATUS: dict[FaultKind, dict[str, str]] = {
    FaultKind.STILL_IN_PROGRESS: {"JobStatus": "IN_PROGRESS"},
    FaultKind.JOB_FAILED: {"JobStatus": "FAILED", "StatusMessage": "a fault"},
}
_STATUS = {
    FaultKind.THROTTLED: ("503 Slow Down", "SlowDown"),
    FaultKind.SERVER_ERROR: ("500 Internal Server Error", "InternalError"),
    FaultKind.UNAVAILABLE: ("503 Service Unavailable", "ServiceUnavailable"),
}


def fault_answer(kind: FaultKind, service: str) -> Answer:
    """Return how `service` answers a call that it does not carry out."""
    if kind in _JOB_STATUS:
        return json_answer("200 OK", _JOB_STATUS[kind])
    if kind in _REKOGNITION_ERRORS:
        return _error("400 Bad Request", _REKOGNITION_ERRORS[kind])
    status, code = _STATUS[kind]
    is_throttled = kind is FaultKind.THROTTLED
    if service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault</Message></Error>"
        return Answer(status, {"Content-Type": "application/xml"}, body.encode())
    if service == "lambda":
        throttled = ("429 Too Many Requests", "TooManyRequestsException")
        return _error(*(throttled if is_throttled else ("500 Internal Server Error", "ServiceException")))
    return _error("400 Bad Request", "ThrottlingException") if is_throttled else _error(status, code)


def _error(status: str, code: str) -> Answer:
    document: dict[str, Any] = {"__type": code, "message": "a fault", "Type": "Service"}
    return json_answer(status, document, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "a-fault"})
