"""The state machine fits the code: names, ways, retries and catches."""

import json
from pathlib import Path
from typing import Any

import pytest

from blur_container.segments.split import Costs, segment_count
from blur_container.settings import CuttingSettings
from chalicelib.contract import errors
from chalicelib.contract.job import DetectionStatus
from chalicelib.face_pages import HAND_OVERS_MAX
from chalicelib.rekognition import LONGEST_EXECUTION_S

ROOT = Path(__file__).parent.parent.parent
MACHINE = json.loads((ROOT / "statemachine" / "blur_faces.asl.json").read_text(encoding="utf-8"))
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
MAPS = {name: state for name, state in STATES.items() if state["Type"] == "Map"}
EACH = {name: task for state in MAPS.values() for name, task in state["ItemProcessor"]["States"].items()}
CAUGHT = {name: state for name, state in STATES.items() if state["Type"] in {"Task", "Map"}}
TASKS = {**{name: state for name, state in STATES.items() if state["Type"] == "Task"}, **EACH}
# What comes after the output or the failure manifest is there: nothing is left to record.
AFTERWARDS = {"Record failure", "Delete work objects", "Delete work of failure"}
DELETING = {"Delete work objects", "Delete work of failure"}
OWN_ERRORS = {error.__name__ for error in errors.TRANSIENT_ERRORS + errors.PERMANENT_ERRORS}
# Six hours of 4K at 60 frames a second.
SIX_HOURS = Costs(6 * 3600 * 60 * 3840 * 2160 * 1.3 / CuttingSettings().pixels_per_s, 10_000_000_000, 1e9)
MOST_SEGMENTS = segment_count(SIX_HOURS, CuttingSettings())
MACHINE_WIDTH = CuttingSettings().at_once
HISTORY_MAX = 25_000
BUSY = "Lambda.TooManyRequestsException"
# Two functions put something where people look.
DELIVERING = ("Blur faces", "Assemble video")
FUNCTION_TIMEOUT_S = 900
EVENTS_A_TRY = 3
EVENTS_A_HAND_OVER = 8
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
    """Each state has a Comment."""
    comment = {**STATES, **EACH}[name].get("Comment", "")

    assert comment.endswith(".")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_times_out_and_retries(name: str) -> None:
    """Each task has a timeout and retries errors that pass."""
    task = TASKS[name]

    assert task["TimeoutSeconds"] <= MACHINE["TimeoutSeconds"]
    assert all(retry["JitterStrategy"] == "FULL" for retry in task["Retry"])


@pytest.mark.parametrize("name", CAUGHT)
def test_every_task_and_map_is_caught(name: str) -> None:
    """Each task and map has a Catch, so that no failure ends the execution unrecorded."""
    assert CAUGHT[name]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize("name", sorted(CAUGHT.keys() - AFTERWARDS))
def test_every_failure_is_recorded(name: str) -> None:
    """Each Catch leads to the recording, with the error in the job."""
    catch = CAUGHT[name]["Catch"][-1]
    recording = "Does it still run?" if name in DELIVERING else "Record failure"

    assert (catch["Next"], catch["ResultPath"]) == (recording, "$.job.failure")


def test_no_function_runs_on_when_a_lost_answer_is_recorded_as_a_failure() -> None:
    """One that delivers afterwards would be both; Lambda ends each at its timeout."""
    flags, wait = STATES["Does it still run?"]["Choices"], STATES["Wait for its end"]

    assert {flag["StringMatches"] for flag in flags} == {"Lambda.*", "States.*"}
    assert {flag["Next"] for flag in flags} == {"Wait for its end"}
    assert wait["Next"] == "Record failure"
    assert wait["Seconds"] > FUNCTION_TIMEOUT_S


@pytest.mark.parametrize("name", TASKS)
def test_a_full_account_is_waited_for_by_the_hour(name: str) -> None:
    """A storm of uploads takes all of the account's invocations: that is no failure of any of them."""
    (busy,) = [retry for retry in TASKS[name]["Retry"] if BUSY in retry["ErrorEquals"]]

    assert busy["ErrorEquals"] == [BUSY]
    assert sum(waits_s(busy)) / 2 > 7 * 3600


def test_recording_a_failure_outlasts_an_outage_of_hours() -> None:
    """The recording is retried for hours; after that only the notification reports the failure."""
    (outage,) = [
        retry for retry in TASKS["Record failure"]["Retry"] if "StorageUnavailable" in retry["ErrorEquals"]
    ]

    assert sum(waits_s(outage)) / 2 > 3 * 3600


@pytest.mark.parametrize("name", TASKS)
def test_error_names_are_those_of_the_code(name: str) -> None:
    """A retry names errors that exist, and never one that trying again cannot help."""
    names = {error for retry in TASKS[name]["Retry"] for error in retry["ErrorEquals"]}
    own = {error for error in names if not error.startswith(AWS_PREFIXES)}

    assert own <= OWN_ERRORS
    assert not own & {error.__name__ for error in errors.PERMANENT_ERRORS}


def longest_s(task: dict[str, Any]) -> float:
    """Return how long a task takes at most: every try to its timeout, every wait before the next one.

    A full account refuses at once: what it refuses takes no time of its own.
    """
    waits = [wait for retry in task["Retry"] for wait in waits_s(retry)]
    tries = 1 + sum(retry["MaxAttempts"] for retry in task["Retry"] if BUSY not in retry["ErrorEquals"])
    return float(task["TimeoutSeconds"] * tries + sum(waits))


def waits_s(retry: dict[str, Any]) -> list[float]:
    """Return the longest waits of a retrier."""
    grown = (retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"]))
    return [min(wait, retry.get("MaxDelaySeconds", wait)) for wait in grown]


def test_the_machine_is_never_ended_before_it_recorded_why() -> None:
    """The machine's timeout exceeds the sum of all its waits and retries, as nothing records that timeout."""
    once = sum(longest_s(task) for name, task in TASKS.items() if name not in {*EACH, "Start face detection"})
    waves = -(-MOST_SEGMENTS // MACHINE_WIDTH)
    rendering = waves * sum(longest_s(task) for task in EACH.values())

    assert longest_s(TASKS["Start face detection"]) < LONGEST_EXECUTION_S
    assert LONGEST_EXECUTION_S + once + rendering < MACHINE["TimeoutSeconds"]


def queueing_events() -> int:
    """Return the events of waiting for a free Rekognition job to the last try."""
    queue = TASKS["Start face detection"]["Retry"][0]
    assert queue["ErrorEquals"] == ["RekognitionLimited"]
    return EVENTS_A_TRY * int(queue["MaxAttempts"])


def test_the_history_holds_the_longest_execution() -> None:
    """25,000 events: days in the queue, eight hours of asking, nine a segment, four hours full."""
    (busy,) = [retry for retry in TASKS["Blur segment"]["Retry"] if BUSY in retry["ErrorEquals"]]
    refused = MACHINE_WIDTH * 4 * 3600 / (busy["MaxDelaySeconds"] / 2)

    events = queueing_events() + 5_500 + 9 * MOST_SEGMENTS + EVENTS_A_TRY * refused
    assert events + EVENTS_A_HAND_OVER * HAND_OVERS_MAX < HISTORY_MAX


def test_the_history_of_one_piece_holds_hours_of_a_full_account_at_every_task() -> None:
    """Days in the queue, eight hours of asking, every try of each task refused: seven hours a task."""
    tries = sum(
        retry["MaxAttempts"]
        for name, task in TASKS.items()
        for retry in task["Retry"]
        if BUSY in retry["ErrorEquals"] and name not in EACH
    )

    events = queueing_events() + 5_500 + EVENTS_A_TRY * tries
    assert events + EVENTS_A_HAND_OVER * HAND_OVERS_MAX < HISTORY_MAX


@pytest.mark.parametrize("name", sorted(TASKS.keys() - EACH.keys()))
def test_free_places_are_not_left_alone_for_long(name: str) -> None:
    """The last ones of a storm wait two minutes at most when the account is empty again."""
    (busy,) = [retry for retry in TASKS[name]["Retry"] if BUSY in retry["ErrorEquals"]]

    assert busy["MaxDelaySeconds"] <= 120


def test_pages_that_are_left_are_read_on() -> None:
    """Without the faces document, the answer that names the next page goes back to its function."""
    onward, back, without = STATES["Faces stored?"]["Choices"]

    assert onward["Next"] == without["Next"] == "Plan segments"
    assert back == {
        "Variable": "$.answer.Payload.pages.next_token",
        "IsPresent": True,
        "Next": "Get rekognized faces",
    }


def test_every_transient_error_is_retried_somewhere() -> None:
    """An error that claims to pass by itself is tried again by the machine."""
    names = {error for task in TASKS.values() for retry in task["Retry"] for error in retry["ErrorEquals"]}

    assert {error.__name__ for error in errors.TRANSIENT_ERRORS} <= names


def comparisons(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all comparisons of a Choice, in their order; none of a state that is no Choice."""
    return [one for choice in state.get("Choices", []) for one in choice.get("And", [choice])]


def unguarded(state: dict[str, Any]) -> list[str]:
    """Return the paths into an answer that a Choice compares before it has asked whether they are there."""
    found = []
    for choice in state.get("Choices", []):
        told: set[str] = set()
        for one in choice.get("And", [choice]):
            if "IsPresent" in one:
                told.add(one["Variable"])
            elif one["Variable"].startswith("$.answer") and one["Variable"] not in told:
                found.append(one["Variable"])
    return found


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state["Type"] == "Choice"])
def test_no_choice_reads_of_an_answer_what_may_not_be_there(name: str) -> None:
    """Step Functions ends an execution there and then, unrecorded, where a comparison finds nothing."""
    assert unguarded(STATES[name]) == []
    assert "Default" in STATES[name]


@pytest.mark.parametrize("name", TASKS)
def test_no_task_reads_its_own_answer(name: str) -> None:
    """Each task stores its result beside the job unread, so that no path in it can fail."""
    task = TASKS[name]

    assert "OutputPath" not in task
    assert task.get("ResultSelector") in (None, {"ended": True})
    assert task.get("ResultPath", "$.answer") in ("$.answer", None)


@pytest.mark.parametrize("name", sorted(TASKS.keys() - EACH.keys() - DELETING))
def test_every_answer_is_looked_at_before_it_is_read(name: str) -> None:
    """A Choice comes next, which goes elsewhere where fields are missing."""
    looking = STATES[TASKS[name]["Next"]]

    assert looking["Type"] == "Choice"
    assert STATES[looking["Default"]]["Next"] in {"Ask again?", "Record failure"}


def test_choices_know_the_words_of_the_contract() -> None:
    """Each status that a Choice compares with is a DetectionStatus."""
    words = {
        choice["StringEquals"]
        for state in STATES.values()
        for choice in comparisons(state)
        if choice["Variable"].endswith(".detection.status") and "StringEquals" in choice
    }

    assert words <= {status.value for status in DetectionStatus}
    assert words == {"CONTAINER_ONLY", "IN_PROGRESS", "REFUSED", "SUCCEEDED"}


def test_error_tuples_hold_every_leaf_of_the_tree() -> None:
    """An error added to the tree is added to what the state machine is checked against."""
    leaves = {*errors.TransientError.__subclasses__(), *errors.PermanentError.__subclasses__()}

    assert leaves == {*errors.TRANSIENT_ERRORS, *errors.PERMANENT_ERRORS}
