"""Answers under a fault: a refusal in the words of the service, or a good answer that is damaged."""

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
    """Return the answer of `service` to a call that it does not carry out."""
    if kind in _JOB_STATUS:
        return json_answer("200 OK", _JOB_STATUS[kind])
    if kind is FaultKind.GATEWAY:
        return Answer(_GATEWAY, "502 Bad Gateway", {"Content-Type": "text/html"})
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
    """Damage, in place, the answer to a call that was carried out; return it. Errors are not changed."""
    if not answer.succeeded or "X-Amz-Function-Error" in answer.headers:
        return answer
    return _CHANGES[kind](answer, request)


def _without(field: str) -> Callable[[Answer, bytes], Answer]:
    def change(answer: Answer, _: bytes) -> Answer:
        document = json.loads(answer.get_data())
        document.pop(field, None)
        return _with_body(answer, json.dumps(document).encode())

    return change


def _in_circles(answer: Answer, request: bytes) -> Answer:
    """Return a page without faces; its token leads to page B, and that of page B to page A."""
    document = json.loads(answer.get_data())
    document["NextToken"] = "A" if json.loads(request or b"{}").get("NextToken") == "B" else "B"
    return _with_body(answer, json.dumps({**document, "Faces": []}).encode())


def _with_wrong_bit(answer: Answer, _: bytes) -> Answer:
    """Return the body with one wrong bit, under the checksum of the right body."""
    right = answer.get_data()
    for name in [name for name in dict(answer.headers) if "checksum" in name.lower()]:
        del answer.headers[name]
    answer.headers["x-amz-checksum-crc32"] = base64.b64encode(zlib.crc32(right).to_bytes(4, "big")).decode()
    answer.headers["x-amz-checksum-type"] = "FULL_OBJECT"
    wrong = bytearray(right)
    if wrong:
        wrong[len(wrong) // 2] ^= 1
    return _with_body(answer, bytes(wrong))


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _with_body(answer: Answer, body: bytes) -> Answer:
    answer.set_data(body)
    return answer


_CHANGES: dict[FaultKind, Callable[[Answer, bytes], Answer]] = {
    FaultKind.NO_FACES_FIELD: _without("Faces"),
    FaultKind.NO_METADATA: _without("VideoMetadata"),
    FaultKind.PAGES_IN_CIRCLES: _in_circles,
    FaultKind.NULL_ANSWER: lambda answer, _: _with_body(answer, b"null"),
    FaultKind.CUT_ANSWER: lambda answer, _: _with_body(answer, _half(answer.get_data())),
    FaultKind.BODY_WRONG: _with_wrong_bit,
    # FaultFront sends half of the body under the length of the whole.
    FaultKind.BODY_CUT: lambda answer, _: answer,
}


def _s3_error(status: str, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault</Message></Error>"
    return Answer(body, status, {"Content-Type": "application/xml"})


def _error(status: str, code: str) -> Answer:
    document: dict[str, Any] = {"__type": code, "message": "a fault", "Type": "Service"}
    return json_answer(status, document, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "a-fault"})
