"""Every call of a run is refused once, or loses its answer once: each upload ends in exactly one way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.faults import FaultKind
from tests.faults.runs import SEGMENTED, Laboratory, laboratory, plans, random_plans


@pytest.fixture(scope="module")
def found() -> Iterator[Laboratory]:
    """Return a system that renders in segments."""
    with laboratory(SEGMENTED) as opened:
        yield opened


def test_the_recorded_run_has_calls_of_every_function(found: Laboratory) -> None:
    """What is struck is derived from a run, not from a list."""
    principals = {step.principal.removeprefix("face-blur-local-") for step in found.steps}

    assert principals >= {
        "face-detection",
        "check-rekognition-job-status",
        "get-rekognized-faces",
        "plan-segments",
        "blur-faces",
        "assemble-video",
        "delete-work-objects",
        "state-machine",
    }


def test_one_fault_at_any_call_costs_no_upload(found: Laboratory) -> None:
    """Clients, functions or the machine try again, and doing it twice is doing it once."""
    refused, lost = FaultKind.UNAVAILABLE, FaultKind.LOST_ANSWER
    every = [*plans(found.steps[::2], [refused], [1], "re"), *plans(found.steps[1::2], [lost], [1], "lo")]

    runs = found.all_runs(every)

    assert [(run.violation, run.faults) for run in runs if run.violation] == []
    assert {run.ending for run in runs} == {"SUCCEEDED"}
    assert [run.faults for run in runs if not run.strikes] == []


def test_the_same_seed_is_the_same_soak(found: Laboratory) -> None:
    """A violation can be looked at again."""
    assert random_plans(found.steps, 5, 7) == random_plans(found.steps, 5, 7)
