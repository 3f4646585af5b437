"""What a service answers under a fault, in its own words, and how an answer is spoilt on its way."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

from local_cloud.faults.kinds import REFUSALS, FaultKind
from local_cloud.http.wsgi import Answer, json_answer

_JOB_STATUS: dict[FaultKind, dict[str, str]] = {
    FaultKind.STILL_IN_PROGRESS: {"JobStatus": "IN_PROGRESS"},
    FaultKind.JOB_FAILED: {"JobStatus": "FAILED", "StatusMessage": "a fault"},
}
_STATUS = {
    FaultKind.THROTTLED: ("503 Slow Down", "SlowDown"),
    FaultKind.SERVER_ERROR: ("500 Internal Server Error", "InternalError"),
    FaultKind.UNAVAILABLE: ("503 Service Unavailable", "ServiceUnavailable"),
}
_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>a fault</body></html>"


def fault_answer(kind: FaultKind, service: str) -> Answer:
    """Return how `service` answers a call that it does not carry out."""
    if kind in _JOB_STATUS:
        return json_answer("200 OK", _JOB_STATUS[kind])
    if kind is FaultKind.GATEWAY:
        return Answer("502 Bad Gateway", {"Content-Type": "text/html"}, _GATEWAY)
    if kind in REFUSALS:
        refusal, _ = REFUSALS[kind]
        error = _s3_error if service == "s3" else _error
        return error(refusal.status, refusal.code)
    status, code = _STATUS[kind]
    is_throttled = kind is FaultKind.THROTTLED
    if service == "s3":
        return _s3_error(status, code)
    if service == "lambda":
        throttled = ("429 Too Many Requests", "TooManyRequestsException")
        return _error(*(throttled if is_throttled else ("500 Internal Server Error", "ServiceException")))
    return _error("400 Bad Request", "ThrottlingException") if is_throttled else _error(status, code)


def changed_answer(kind: FaultKind, answer: Answer, request: bytes) -> Answer:
    """Return the answer to a call that was carried out, spoilt; one that is an error already stays."""
    if not answer.succeeded or "X-Amz-Function-Error" in answer.headers:
        return answer
    return _CHANGES[kind](answer, request)


def _without(field: str) -> Callable[[Answer, bytes], Answer]:
    def change(answer: Answer, _: bytes) -> Answer:
        document = json.loads(answer.body)
        document.pop(field, None)
        return _with_body(answer, json.dumps(document).encode())

    return change


def _in_circles(answer: Answer, request: bytes) -> Answer:
    """Return a page without faces that leads to page B, and from there to A."""
    document = json.loads(answer.body)
    document["NextToken"] = "A" if json.loads(request or b"{}").get("NextToken") == "B" else "B"
    return _with_body(answer, json.dumps({**document, "Faces": []}).encode())


def _with_wrong_bit(answer: Answer, _: bytes) -> Answer:
    """Return the body with one bit that is wrong, and the checksum of what was right."""
    headers = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
    headers["x-amz-checksum-crc32"] = base64.b64encode(zlib.crc32(answer.body).to_bytes(4, "big")).decode()
    headers["x-amz-checksum-type"] = "FULL_OBJECT"
    body = bytearray(answer.body)
    if body:
        body[len(body) // 2] ^= 1
    return Answer(answer.status, headers, bytes(body))


def _with_body(answer: Answer, body: bytes) -> Answer:
    return Answer(answer.status, answer.headers, body)


_CHANGES: dict[FaultKind, Callable[[Answer, bytes], Answer]] = {
    FaultKind.NO_FACES_FIELD: _without("Faces"),
    FaultKind.NO_METADATA: _without("VideoMetadata"),
    FaultKind.PAGES_IN_CIRCLES: _in_circles,
    FaultKind.NULL_ANSWER: lambda answer, _: _with_body(answer, b"null"),
    FaultKind.CUT_ANSWER: lambda answer, _: _with_body(answer, answer.body[: len(answer.body) // 2]),
    FaultKind.BODY_WRONG: _with_wrong_bit,
    # The end is missing from what is sent, not from what is announced: the front sends it so.
    FaultKind.BODY_CUT: lambda answer, _: answer,
}


def _s3_error(status: str, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def _error(status: str, code: str) -> Answer:
    document: dict[str, Any] = {"__type": code, "message": "a fault", "Type": "Service"}
    return json_answer(status, document, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "a-fault"})
