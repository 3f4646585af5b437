"""The faults of the local cloud: each kind is what it says, at the calls that can hear it."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from local_cloud.faults.kinds import CHANGED_ANSWERS, REFUSALS, FaultKind
from local_cloud.faults.responses import changed_answer, fault_answer
from local_cloud.faults.rules import Fault, Step
from local_cloud.http.iam_calls import STATE_MACHINE
from local_cloud.http.wsgi import Answer

PUT = Step("blur-faces", "s3:PutObject", 1, "PutObject")
PART = Step("blur-faces", "s3:PutObject", 2, "UploadPart")
BLUR = Step(STATE_MACHINE, "lambda:InvokeFunction", 3, "Invoke", "blur-faces")
RECORD = Step(STATE_MACHINE, "lambda:InvokeFunction", 4, "Invoke", "record-failure")


def test_fault_passes_calls_that_cannot_hear_it() -> None:
    """No S3 says NoSuchUpload to a plain PUT: the next call that it can be said to is struck."""
    fault = Fault("clip", PUT, FaultKind.NO_SUCH_UPLOAD)

    assert (fault.can_hit(PUT), fault.can_hit(PART)) == (False, True)


def test_fault_strikes_no_earlier_call() -> None:
    """It begins at its step."""
    assert not Fault("clip", PART, FaultKind.RESET).can_hit(PUT)


def test_fault_of_one_function_leaves_the_others_alone() -> None:
    """The machine hears of all functions but one."""
    fault = Fault("clip", BLUR, FaultKind.NOT_READY, one_function=True)

    assert (fault.can_hit(BLUR), fault.can_hit(RECORD)) == (True, False)


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusal_carries_the_word_of_the_service(kind: FaultKind) -> None:
    """Callers decide by it."""
    refusal, _ = REFUSALS[kind]

    answers = [fault_answer(kind, service) for service in ("s3", "lambda", "rekognition", "states")]

    assert {answer.status for answer in answers} == {refusal.status}
    assert {refusal.code.encode() in answer.get_data() for answer in answers} == {True}


@pytest.mark.parametrize("kind", CHANGED_ANSWERS)
def test_spoilt_answer_leaves_an_error_as_it_is(kind: FaultKind) -> None:
    """Only what went well can be spoilt."""
    refused = Answer("{}", "404 Not Found")

    assert changed_answer(kind, refused, b"{}") == refused


def test_pages_in_circles_lead_to_each_other() -> None:
    """No two pages in a row have the same token."""
    page = Answer('{"JobStatus": "SUCCEEDED", "Faces": [1]}')

    first = json.loads(changed_answer(FaultKind.PAGES_IN_CIRCLES, page, b"{}").get_data())
    second = json.loads(changed_answer(FaultKind.PAGES_IN_CIRCLES, page, b'{"NextToken": "B"}').get_data())

    assert (first["NextToken"], second["NextToken"], second["Faces"]) == ("B", "A", [])


def test_wrong_bit_is_under_the_checksum_of_the_right_ones() -> None:
    """One bit differs, and the header gives it away."""
    answer = changed_answer(FaultKind.BODY_WRONG, Answer(bytes(9)), b"")

    assert answer.get_data() == bytes([0, 0, 0, 0, 1, 0, 0, 0, 0])
    assert base64.b64decode(answer.headers["x-amz-checksum-crc32"]) == zlib.crc32(bytes(9)).to_bytes(4, "big")
