"""A small storm: more uploads than the account has places for; none is lost, none done twice."""

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
    """Return what became of a storm; the state machine waits for a second at most before it tries again."""
    return storm(Plan(UPLOADS, jobs=1, lambdas=2), shorten_retries)


def test_every_upload_ends_once_and_well(passed: Result) -> None:
    """One execution each, with its output and its manifest, though every event came twice."""
    assert passed.violations == []
    assert [ending.statuses for ending in passed.endings] == [("SUCCEEDED",)] * UPLOADS
    assert passed.lost_events == 0


def test_the_account_was_full(passed: Result) -> None:
    """Invocations and jobs were refused: without that it was no storm."""
    assert total(passed.calls, lambda action: action.startswith(INVOKE)).refused > 0
    assert total(passed.calls, START_DETECTION.__eq__).refused > 0


def test_it_is_told_in_tables(passed: Result) -> None:
    """What `make storm` prints."""
    printed = tables(passed)

    assert f"| executions SUCCEEDED / FAILED | {UPLOADS} / 0 |" in printed
    assert "| state-machine | lambda:InvokeFunction blur-faces |" in printed
