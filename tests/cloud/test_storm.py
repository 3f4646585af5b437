"""In a small storm, with more uploads than the account's concurrency, none is lost or processed twice."""

from __future__ import annotations

import pytest

from benchmarks.storm.__main__ import storm
from benchmarks.storm.result import Plan, Result
from benchmarks.storm.tables import tables
from benchmarks.storm.traffic import INVOKE, START_DETECTION, total
from tests.clouds.short_retries import shorten_retries

UPLOADS = 12


@pytest.fixture(scope="module")
def passed() -> Result:
    """Return the results of a storm with retry intervals of at most a second."""
    return storm(Plan(UPLOADS, jobs=1, lambdas=2), shorten_retries)


def test_every_upload_ends_once_and_well(passed: Result) -> None:
    """Each upload has one execution, output and manifest, although every event was delivered twice."""
    assert passed.violations == []
    assert [ending.statuses for ending in passed.endings] == [("SUCCEEDED",)] * UPLOADS
    assert passed.lost_events == 0


def test_the_account_was_full(passed: Result) -> None:
    """Invocations and Rekognition jobs were refused, so the quotas were reached."""
    assert total(passed.calls, lambda action: action.startswith(INVOKE)).refused > 0
    assert total(passed.calls, START_DETECTION.__eq__).refused > 0


def test_it_is_told_in_tables(passed: Result) -> None:
    """`make storm` prints the numbers of executions and the calls of each function."""
    printed = tables(passed)

    assert f"| executions SUCCEEDED / FAILED | {UPLOADS} / 0 |" in printed
    assert "| state-machine | lambda:InvokeFunction blur-faces |" in printed
