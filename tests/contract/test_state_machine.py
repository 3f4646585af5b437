"""The state machine fits the code: names, ways, retries and catches."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract import errors
from chalicelib.contract.job import DetectionStatus

ROOT = Path(__file__).parent.parent.parent
MACHINE = json.loads((ROOT / "statemachine" / "blur_faces.asl.json").read_text(encoding="utf-8"))
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
MAPS = {name: state for name, state in STATES.items() if state["Type"] == "Map"}
EACH = {name: task for state in MAPS.values() for name, task in state["ItemProcessor"]["States"].items()}
CAUGHT = {name: state for name, state in STATES.items() if state["Type"] in {"Task", "Map"}}
TASKS = {**{name: state for name, state in STATES.items() if state["Type"] == "Task"}, **EACH}
# What comes after the output or the failure manifest is there: nothing is left to record.
AFTERWARDS = {"Record failure", "Delete work objects", "Delete work of failure"}
OWN_ERRORS = {error.__name__ for error in errors.TRANSIENT_ERRORS + errors.PERMANENT_ERRORS}
AWS_PREFIXES = ("Lambda.", "States.", "Sandbox.", "Runtime.")


def targets(state: dict[str, Any]) -> set[str]:
    """Return the names of the states that `state` may go on to."""
    choices = [*state.get("Choices", []), *state.get("Catch", [])]
    return {target for target in (state.get("Next"), state.get("Default")) if target} | {
        choice["Next"] for choice in choices
    }


def reachable(start: str) -> set[str]:
    """Return the names of all states that an execution can enter from `start`."""
    seen: set[str] = set()
    ahead = {start}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= targets(STATES.get(name, {})) - seen
    return seen


def test_every_state_is_reachable_and_no_way_leads_nowhere() -> None:
    """A dangling Next is accepted by some interpreters and fails in the middle of an execution."""
    found = reachable(MACHINE["StartAt"])

    assert found == set(STATES)


@pytest.mark.parametrize("name", [*STATES, *EACH])
def test_every_state_says_why_it_is_there(name: str) -> None:
    """Each state carries a Comment."""
    comment = {**STATES, **EACH}[name].get("Comment", "")

    assert comment.endswith(".")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_times_out_and_retries(name: str) -> None:
    """No task waits for ever, and none that fails for once ends the execution."""
    task = TASKS[name]

    assert task["TimeoutSeconds"] <= MACHINE["TimeoutSeconds"]
    assert all(retry["JitterStrategy"] == "FULL" for retry in task["Retry"])


@pytest.mark.parametrize("name", CAUGHT)
def test_every_task_and_map_is_caught(name: str) -> None:
    """None ends the execution without the failure being looked at; a map looks at those of its tasks."""
    assert CAUGHT[name]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize("name", sorted(CAUGHT.keys() - AFTERWARDS))
def test_every_failure_is_recorded(name: str) -> None:
    """Each task goes on to the recording, with the error under $.failure."""
    catch = CAUGHT[name]["Catch"][-1]

    assert (catch["Next"], catch["ResultPath"]) == ("Record failure", "$.failure")


@pytest.mark.parametrize("name", TASKS)
def test_error_names_are_those_of_the_code(name: str) -> None:
    """A retry names errors that exist, and never one that trying again cannot help."""
    names = {error for retry in TASKS[name]["Retry"] for error in retry["ErrorEquals"]}
    own = {error for error in names if not error.startswith(AWS_PREFIXES)}

    assert own <= OWN_ERRORS
    assert not own & {error.__name__ for error in errors.PERMANENT_ERRORS}


def test_every_transient_error_is_retried_somewhere() -> None:
    """An error that claims to pass by itself is tried again by the machine."""
    names = {error for task in TASKS.values() for retry in task["Retry"] for error in retry["ErrorEquals"]}

    assert {error.__name__ for error in errors.TRANSIENT_ERRORS} <= names


def test_choices_know_the_words_of_the_contract() -> None:
    """Each status a Choice compares with is a DetectionStatus."""
    words = {
        choice["StringEquals"]
        for state in STATES.values()
        for choice in state.get("Choices", [])
        if choice["Variable"] == "$.detection.status"
    }

    assert words <= {status.value for status in DetectionStatus}
    assert words == {"IN_PROGRESS", "REFUSED", "SUCCEEDED"}


def test_error_tuples_hold_every_leaf_of_the_tree() -> None:
    """An error added to the tree is added to what the state machine is checked against."""
    leaves = {*errors.TransientError.__subclasses__(), *errors.PermanentError.__subclasses__()}

    assert leaves == {*errors.TRANSIENT_ERRORS, *errors.PERMANENT_ERRORS}
