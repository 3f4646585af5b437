"""Every call of a run meets a fault once: each upload ends in exactly one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault
from local_cloud.http.iam_calls import STATE_MACHINE
from tests.faults.plans import MAY_FAIL, in_turn, plans, random_plans, recording_plans, samples
from tests.faults.runs import SEGMENTED, Laboratory, laboratory

# What Rekognition has decided: nobody can try again.
FINAL = {FaultKind.JOB_FAILED, FaultKind.RESULTS_EXPIRED}
# A caller that waits for an answer until its timeout takes a minute: that is for the soak.
OF_A_JOB = (
    FaultKind.STILL_IN_PROGRESS,
    FaultKind.JOB_FAILED,
    FaultKind.RESULTS_EXPIRED,
    FaultKind.PAGE_EXPIRED,
)
KINDS = [kind for kind in FaultKind if kind not in (FaultKind.SILENT, *OF_A_JOB, *MAY_FAIL)]
# Some of those that a person must mend.
FOR_A_PERSON = (
    FaultKind.FUNCTION_GONE,
    FaultKind.DETECTION_FORBIDDEN,
    FaultKind.MACHINE_DELETING,
    FaultKind.KEY_DISABLED,
    FaultKind.ARCHIVED,
    FaultKind.FORBIDDEN,
    FaultKind.CLOCK_SKEWED,
)
LOST_ANSWERS = (FaultKind.NULL_ANSWER, FaultKind.CUT_ANSWER)


@pytest.fixture(scope="module")
def found() -> Iterator[Laboratory]:
    """Return a system that renders in segments."""
    with laboratory(SEGMENTED) as opened:
        yield opened


def test_the_recorded_run_has_calls_of_every_function(found: Laboratory) -> None:
    """The calls into which faults are injected come from a recorded run and include every function."""
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
    # If one of two faults made a function reuse what was delivered, the other one's call was not made.
    alone = found.all_runs(
        [
            [replace(fault, marker=f"alone{n:04}")]
            for n, fault in enumerate(
                fault for run in runs if run.injected < len(run.faults) for fault in run.faults
            )
        ]
    )
    assert [(run.violation, run.faults) for run in [*runs, *alone] if run.violation] == []
    assert [run.faults for run in alone if not run.injected] == []
    assert {run.ending for run in final} == {"FAILED"}
    assert [run.faults for run in runs if run not in final and run.ending != "SUCCEEDED"] == []


def test_what_nobody_can_try_again_ends_in_exactly_one_way(found: Laboratory) -> None:
    """A permanent fault ends in a recorded failure, or in an output where a client retries."""
    runs = found.all_runs(samples(found.steps, FOR_A_PERSON, "person"))

    assert [(run.violation, run.faults) for run in runs if run.violation] == []
    assert [run.faults for run in runs if run.injected == 0] == []


def test_the_recording_of_a_failure_is_tried_again(found: Laboratory) -> None:
    """The failure is recorded even if any one call of the recording fails once."""
    kinds = (FaultKind.UNAVAILABLE, FaultKind.ARTIFACT_PENDING, FaultKind.FUNCTION_GONE, *LOST_ANSWERS)

    runs = found.all_runs(recording_plans(found.failed_steps, kinds, [1], "note"))

    assert [(run.violation, run.faults) for run in runs if run.violation] == []
    assert [run.faults for run in runs if run.injected < len(run.faults)] == []
    assert {run.ending for run in runs} == {"FAILED"}


def test_an_answer_that_is_lost_is_asked_for_again(found: Laboratory) -> None:
    """A function that ended well has said null, or half of what it said has come: twice in a run."""
    asked = [step for step in found.steps if step.principal == STATE_MACHINE]

    runs = found.all_runs(in_turn(asked, LOST_ANSWERS, "lost"))

    assert [(run.violation, run.faults) for run in runs if run.violation] == []
    assert {run.ending for run in runs} == {"SUCCEEDED"}


@pytest.mark.parametrize("kind", LOST_ANSWERS)
def test_answers_that_are_lost_for_ever_are_a_recorded_failure(found: Laboratory, kind: FaultKind) -> None:
    """The machine gives the function up, not the recording."""
    step = next(step for step in found.steps if step.asked.endswith("-plan-segments"))
    marker = f"ever-{kind.name.lower()}"

    run = found.run(marker, [Fault(marker, step, kind, FOR_EVER, one_function=True)])

    assert (run.ending, run.violation) == ("FAILED", "")


def test_the_same_seed_is_the_same_soak(found: Laboratory) -> None:
    """A violation can be looked at again."""
    assert random_plans(found.steps, 5, 7) == random_plans(found.steps, 5, 7)
