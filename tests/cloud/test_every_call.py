"""Every call of a run meets a fault once: each upload ends in exactly one way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.fault_kinds import OF_A_JOB, FaultKind
from tests.faults.plans import in_turn, plans, random_plans
from tests.faults.runs import SEGMENTED, Laboratory, laboratory

# What Rekognition has decided: nobody can try again.
FINAL = {FaultKind.JOB_FAILED, FaultKind.RESULTS_EXPIRED}
# A caller that waits for an answer until its timeout takes a minute: that is for the soak.
KINDS = [kind for kind in FaultKind if kind not in (FaultKind.SILENT, *OF_A_JOB)]


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


def test_one_fault_at_any_call_ends_in_exactly_one_way(found: Laboratory) -> None:
    """Clients, functions or the machine try again, and doing it twice is doing it once."""
    every = [*in_turn(found.steps, KINDS, "turn"), *plans(found.steps, OF_A_JOB, [1], "job")]

    runs = found.all_runs(every)

    final = [run for run in runs if run.faults[0].kind in FINAL]
    assert [(run.violation, run.faults) for run in runs if run.violation] == []
    assert [run.faults for run in runs if run.strikes < len(run.faults)] == []
    assert {run.ending for run in final} == {"FAILED"}
    assert [run.faults for run in runs if run not in final and run.ending != "SUCCEEDED"] == []


def test_the_same_seed_is_the_same_soak(found: Laboratory) -> None:
    """A violation can be looked at again."""
    assert random_plans(found.steps, 5, 7) == random_plans(found.steps, 5, 7)
