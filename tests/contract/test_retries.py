"""The table of what is tried again: each task's Retry in the state machine is compared with it, word by word.

The machine is one literal file, and a list that stands in it ten times drifts: they are written here once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import botocore.session
import pytest

ROOT = Path(__file__).parent.parent.parent
MACHINE = json.loads((ROOT / "statemachine" / "blur_faces.asl.json").read_text(encoding="utf-8"))
HOUR_S = 3600
# AWS tells of 40 to 110 s for a container image that was not called for weeks.
LONGEST_PENDING_S = 110


@dataclass(frozen=True)
class Retrier:
    """One entry of a Retry: what it is for, and how long it goes on."""

    errors: tuple[str, ...]
    interval_s: int
    rate: float
    attempts: int
    delay_s: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the state machine has it."""
        limit = {} if self.delay_s is None else {"MaxDelaySeconds": self.delay_s}
        return {
            "ErrorEquals": list(self.errors),
            "IntervalSeconds": self.interval_s,
            "BackoffRate": self.rate,
            "MaxAttempts": self.attempts,
            **limit,
            "JitterStrategy": "FULL",
        }

    def waits_s(self) -> list[float]:
        """Return the longest waits; FULL jitter takes each from 0 to that, with equal chances."""
        grown = (self.interval_s * self.rate**n for n in range(self.attempts))
        return [min(wait, self.delay_s or wait) for wait in grown]

    @property
    def expected_s(self) -> float:
        """Return how long all waits take on average."""
        return sum(self.waits_s()) / 2

    @property
    def deviation_s(self) -> float:
        """Return the standard deviation of that: of one wait its length by the square root of 12."""
        return sqrt(sum(wait**2 for wait in self.waits_s()) / 12)


# Lambda prepares the function, or its place in a network: minutes at most.
PENDING = (
    "Lambda.CodeArtifactUserPendingException",
    "Lambda.ResourceNotReadyException",
    "Lambda.ResourceConflictException",
    "Lambda.ENINotReadyException",
    "Lambda.ENILimitReachedException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
)
# Lambda itself is out of order; the last two are names of Step Functions for no answer.
BROKEN = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
)
# The function's process ended, or nobody knows: what kills it twice will kill it again.
KILLED = (
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
)
BUSY = ("Lambda.TooManyRequestsException",)
# A person must look: Invoke's other errors, each with its reason. Unknown ones fail as these do.
PERMANENT = {
    "a key, a network or a quota is set up wrong": {
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "EC2AccessDeniedException",
        "InvalidSecurityGroupIDException",
        "InvalidSubnetIDException",
        "ServiceQuotaExceededException",
    },
    "the function is gone, or its code is not what Lambda can run": {
        "ResourceNotFoundException",
        "NoPublishedVersionException",
        "RuntimeAliasDeletedException",
        "RuntimeVersionDeletedException",
        "CodeArtifactUserDeletedException",
        "CodeArtifactUserFailedException",
        "InvalidRuntimeException",
        "InvalidZipFileException",
        "ModeNotSupportedException",
    },
    "the machine asks what Lambda does not take": {
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "RequestTooLargeException",
        "SerializedRequestEntityTooLargeException",
        "UnsupportedMediaTypeException",
        "RecursiveInvocationException",
        "DurableExecutionAlreadyStartedException",
    },
    "no function of ours has a file system to mount or a snapshot to start from": {
        "EFSIOException",
        "EFSMountConnectivityException",
        "EFSMountFailureException",
        "EFSMountTimeoutException",
        "S3FilesMountConnectivityException",
        "S3FilesMountFailureException",
        "S3FilesMountTimeoutException",
        "SnapStartException",
        "SnapStartNotReadyException",
        "SnapStartRegenerationFailureException",
        "SnapStartTimeoutException",
    },
}

FULL_ACCOUNT = Retrier(BUSY, 2, 2, 430, 120)
# The history of segments is short: rarer questions.
FULL_ACCOUNT_OF_SEGMENTS = Retrier(BUSY, 2, 2, 70, 900)
NOT_READY = Retrier(PENDING, 5, 2, 15, 60)
STORAGE = Retrier((*BROKEN, "StorageUnavailable"), 2, 2, 12, 300)
REKOGNITION = Retrier((*BROKEN, "RekognitionUnavailable", "StorageUnavailable"), 2, 2, 12, 300)
RECORDING = Retrier((*BROKEN, "StorageUnavailable"), 2, 2, 100, 300)
ENDED = Retrier(KILLED, 5, 2, 2)
RENDERER_ENDED = Retrier((*KILLED, "ScratchFull"), 5, 2, 2)
PLACE_IN_THE_QUEUE = Retrier(("RekognitionLimited",), 5, 1.5, 445, 600)
# Others read pages at all the calls a second that the account has.
QUESTION = Retrier(("RekognitionLimited",), 2, 1.5, 100, 60)
# The most refusals for one answer where hundreds read pages, each every 20 s (see chalicelib/pace.py).
REFUSED_SHARE = 0.85
# What is not recorded is told by a notification alone: no error is final before it was tried for minutes.
ANYTHING = Retrier(("States.ALL",), 5, 2, 12, 240)

TABLE: dict[str, tuple[Retrier, ...]] = {
    "Start face detection": (PLACE_IN_THE_QUEUE, FULL_ACCOUNT, REKOGNITION, NOT_READY, ENDED),
    "Check Rekognition job status": (QUESTION, FULL_ACCOUNT, REKOGNITION, NOT_READY, ENDED),
    "Get rekognized faces": (QUESTION, FULL_ACCOUNT, REKOGNITION, NOT_READY, ENDED),
    "Plan segments": (FULL_ACCOUNT, STORAGE, NOT_READY, RENDERER_ENDED),
    "Blur faces": (FULL_ACCOUNT, STORAGE, NOT_READY, RENDERER_ENDED),
    "Blur segment": (FULL_ACCOUNT_OF_SEGMENTS, STORAGE, NOT_READY, RENDERER_ENDED),
    "Assemble video": (FULL_ACCOUNT, STORAGE, NOT_READY, RENDERER_ENDED),
    "Delete work objects": (FULL_ACCOUNT, STORAGE, NOT_READY, ENDED),
    "Record failure": (FULL_ACCOUNT, RECORDING, NOT_READY, ENDED, ANYTHING),
    "Delete work of failure": (FULL_ACCOUNT, STORAGE, NOT_READY, ENDED),
}


def tasks(states: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every task with its name, those of maps too."""
    for name, state in states.items():
        if state["Type"] == "Task":
            yield name, state
        yield from tasks(state.get("ItemProcessor", {}).get("States", {}))


RETRIES = {name: task["Retry"] for name, task in tasks(MACHINE["States"])}


def test_the_table_has_every_task() -> None:
    """The table of expected retries has a row for every task."""
    assert RETRIES.keys() == TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_each_task_retries_what_the_table_says(name: str) -> None:
    """The order counts: the first entry that names an error decides."""
    assert RETRIES[name] == [retrier.to_json() for retrier in TABLE[name]]


def test_every_error_of_invoke_was_decided_upon() -> None:
    """Every error that botocore lists for Invoke is either retried or final, by decision."""
    invoke = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    known = {shape.name for shape in invoke.error_shapes}
    retried = {name.removeprefix("Lambda.") for name in (*PENDING, *BROKEN, *BUSY)}

    decided = retried.union(*PERMANENT.values())

    assert known - decided == set()
    assert retried & set().union(*PERMANENT.values()) == set()


def test_a_function_that_is_being_prepared_is_waited_for() -> None:
    """Jitter halves waits: four deviations below the average they are still longer than any pending."""
    assert NOT_READY.expected_s - 4 * NOT_READY.deviation_s > LONGEST_PENDING_S


def test_a_place_in_the_queue_of_rekognition_is_waited_for_a_day_and_a_half() -> None:
    """Quota errors of Rekognition are retried for 1.5 days on average and 3 at most, as the documents say."""
    assert 36 * HOUR_S <= PLACE_IN_THE_QUEUE.expected_s < 37 * HOUR_S
    assert sum(PLACE_IN_THE_QUEUE.waits_s()) < 74 * HOUR_S


def test_no_status_is_given_up_because_others_read_pages() -> None:
    """Fewer than one question in a million goes unanswered where 85 of 100 tries are refused."""
    assert REFUSED_SHARE ** (1 + QUESTION.attempts) < 1e-6


def test_no_error_of_the_recording_is_final_within_minutes() -> None:
    """States.ALL stands alone and last, as Step Functions wants it."""
    assert 10 * 60 <= ANYTHING.expected_s <= 15 * 60
    assert TABLE["Record failure"][-1] == ANYTHING
