"""The storm benchmark reports violations of the promise, calls by result, and run times of functions."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.storm.endings import Ending
from benchmarks.storm.pages_model import simulated
from benchmarks.storm.traffic import calls_by_action, seconds_of
from local_cloud.http.iam_calls import AnsweredCall, ServiceCall


@pytest.mark.parametrize(
    ("ending", "violation"),
    [
        (Ending("a", (), has_output=False, manifest_status=""), "lost: no execution"),
        (Ending("a", ("SUCCEEDED",), has_output=True, manifest_status="SUCCEEDED"), ""),
        (Ending("a", ("FAILED",), has_output=False, manifest_status="FAILED"), ""),
        (
            Ending("a", ("SUCCEEDED", "FAILED"), has_output=True, manifest_status="FAILED"),
            "processed twice: 2 executions",
        ),
        (
            Ending("a", ("FAILED",), has_output=True, manifest_status="FAILED"),
            "neither delivered nor failed: FAILED, an output, manifest: FAILED",
        ),
        (
            Ending("a", ("RUNNING",), has_output=False, manifest_status=""),
            "neither delivered nor failed: RUNNING, no output, manifest: none",
        ),
    ],
)
def test_only_the_two_ways_are_no_violation(ending: Ending, violation: str) -> None:
    """A delivered or failed upload is no violation; everything else is, by name."""
    assert ending.violation == violation


def test_no_calls_are_no_traffic() -> None:
    """Without calls, or with only the cloud's own log writes, there is no traffic."""
    log = AnsweredCall(ServiceCall("a", "logs:PutLogEvents", "arn:group"), 200, "")

    assert calls_by_action(Counter()) == {}
    assert calls_by_action(Counter({log: 7})) == {}


def test_calls_are_done_refused_or_something_else() -> None:
    """Throttled calls count as refused, errors of the function as others."""
    invoke = ServiceCall("machine", "lambda:InvokeFunction", "arn:aws:lambda:r:1:function:blur")
    answers = Counter(
        {
            AnsweredCall(invoke, 200, ""): 5,
            AnsweredCall(invoke, 200, "Unhandled"): 2,
            AnsweredCall(invoke, 429, "TooManyRequestsException"): 9,
            AnsweredCall(invoke, 503, "ServiceException"): 1,
        }
    )

    calls = calls_by_action(answers)["machine", "lambda:InvokeFunction blur"]

    assert (calls.asked, calls.done, calls.refused) == (17, 5, 9)
    assert calls.other == {"Unhandled": 2, "ServiceException": 1}


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("START RequestId: 1 Version: $LATEST", None),
        ("REPORT RequestId: 1\tDuration: 250.00 ms\tBilled Duration: 251 ms\tMemory Size: 256 MB\t", 0.25),
        (
            "REPORT RequestId: 1\tDuration: 250.00 ms\tBilled Duration: 251 ms\tInit Duration: 500.00 ms\t",
            0.75,
        ),
    ],
)
def test_a_start_takes_a_place_as_a_run_does(line: str, seconds: float | None) -> None:
    """Cold starts count towards the account's concurrency like runs."""
    assert seconds_of(line) == seconds


def test_sixty_long_documents_at_once_are_all_read_at_five_calls_a_second() -> None:
    """None is given up, and none of the questions for a status, although six calls in ten are refused."""
    outcome = simulated(documents=60, pages=100, calls_per_s=5)

    assert (len(outcome.read_after_s), outcome.failed, outcome.polls_failed) == (60, 0, 0)
    assert outcome.invocations > 60


def test_document_that_is_alone_is_read_as_fast_as_its_quota_allows() -> None:
    """100 pages at 20 calls a second take little more than as many answers, beside 20 jobs in progress."""
    outcome = simulated(documents=1, pages=100, calls_per_s=20)

    assert outcome.read_after_s[0] < 30
    assert outcome.invocations == 1
