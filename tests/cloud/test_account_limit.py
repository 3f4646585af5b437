"""The account's limit of invocations at once: calls over it are refused by name, events wait."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.http.iam_calls import STATE_MACHINE
from local_cloud.settings import CloudSettings
from tests.clouds.tiny import PATIENCE_S, TinyCloud

HELD = """
import os, pathlib, time, uuid

def handler(event, context):
    folder = pathlib.Path(os.environ["FOLDER"])
    (folder / f"{uuid.uuid4()}.json").write_text("{}")
    while not (folder / "free").exists():
        time.sleep(0.02)
    return "held"
"""
PLAIN = """
import os, pathlib, uuid

def handler(event, context):
    (pathlib.Path(os.environ["FOLDER"]) / f"{uuid.uuid4()}.json").write_text("{}")
    return "plain"
"""


@pytest.fixture(scope="module")
def cloud_settings() -> CloudSettings:
    """Return settings of an account that runs one invocation at a time."""
    return CloudSettings(detection="rekognition", account_concurrency=1, retry_delays_s=(0.05, 0.05))


@pytest.fixture
def held(tiny: TinyCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the account's one place taken; a file of the returned name frees it."""
    name = tmp_path_factory.mktemp("held").name
    tiny.deploy(name, HELD, timeout_s=60)
    free = tiny.folder(name) / "free"
    with ThreadPoolExecutor(1) as threads:
        # An event of the test before may still have the place.
        holding = threads.submit(_soon, tiny, name)
        tiny.wait_for(name, 1)
        yield free
        free.touch()
        assert holding.result() == "held"


def test_a_call_over_the_limit_is_refused_as_lambda_does(tiny: TinyCloud, held: Path) -> None:
    """429 with the error's name and its reason, whichever function is asked for; a free place ends it."""
    tiny.deploy("refused", PLAIN)

    with pytest.raises(ClientError) as refusal:
        tiny.invoke("refused")
    held.touch()

    answer: Any = refusal.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == "TooManyRequestsException"
    assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert (answer["Reason"], answer["Type"]) == ("ConcurrentInvocationLimitExceeded", "User")
    assert _soon(tiny, "refused") == "plain"


def test_events_over_the_limit_wait_and_are_no_failures(tiny: TinyCloud, held: Path) -> None:
    """Events beyond the concurrency limit are accepted and run later; waiting uses up no retries."""
    tiny.deploy("waiting", PLAIN)
    _send(tiny, "waiting", 4)
    with pytest.raises(TimeoutError):
        tiny.wait_for("waiting", 1, patience_s=0.5)

    held.touch()

    tiny.wait_for("waiting", 4)
    assert tiny.cloud.lost_events == []


def test_a_state_machine_retries_a_full_account_by_its_name(tiny: TinyCloud, held: Path) -> None:
    """Retry names Lambda.TooManyRequestsException alone, and the execution succeeds once a place is free."""
    arn = tiny.deploy("retried", PLAIN)
    execution = _start(tiny, "retrying", arn, attempts=20)
    _wait_until_refused(tiny, arn)

    held.touch()

    assert _ended(tiny, execution)["status"] == "SUCCEEDED"


def test_what_a_state_machine_is_told_without_a_retry(tiny: TinyCloud, held: Path) -> None:
    """The execution fails with the name that AWS gives it."""
    arn = tiny.deploy("told", PLAIN)

    ended = _ended(tiny, _start(tiny, "telling", arn, attempts=0))

    held.touch()
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.TooManyRequestsException")
    assert "Rate Exceeded." in ended["cause"]


def test_the_account_tells_its_limit(tiny: TinyCloud) -> None:
    """GetAccountSettings reports the limit, which `make deploy` warns about."""
    limits = tiny.cloud.client("lambda").get_account_settings()["AccountLimit"]

    assert limits["ConcurrentExecutions"] == 1


def _send(tiny: TinyCloud, name: str, events: int) -> None:
    for _ in range(events):
        tiny.cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload="{}")


def _start(tiny: TinyCloud, name: str, function_arn: str, *, attempts: int) -> str:
    """Start a machine of one task that tries again where the account is full, and nowhere else."""
    retry = {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 1,
        "BackoffRate": 1,
        "MaxAttempts": attempts,
        "JitterStrategy": "FULL",
    }
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function_arn},
        "Retry": [retry],
        "End": True,
    }
    definition = json.dumps({"StartAt": "Only", "States": {"Only": task}})
    stepfunctions = tiny.cloud.client("stepfunctions")
    role = tiny.make_role(name, "states", ["lambda:InvokeFunction"])
    made = stepfunctions.create_state_machine(name=name, definition=definition, roleArn=role)
    started = stepfunctions.start_execution(stateMachineArn=made["stateMachineArn"], name=name, input="{}")
    return str(started["executionArn"])


def _ended(tiny: TinyCloud, execution_arn: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        found: dict[str, Any] = tiny.cloud.client("stepfunctions").describe_execution(
            executionArn=execution_arn
        )
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{execution_arn} has not ended")


def _wait_until_refused(tiny: TinyCloud, function_arn: str) -> None:
    """Wait until the state machine was refused a function; the cloud counts its answers."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        for answered in tiny.cloud.answers():
            if answered.call.principal == STATE_MACHINE and answered.call.resource == function_arn:
                assert (answered.status, answered.error) == (429, "TooManyRequestsException")
                return
        time.sleep(0.05)
    raise TimeoutError(f"{function_arn} was not refused")


def _soon(tiny: TinyCloud, name: str) -> Any:
    """Return what `name` answers once the place before it is free."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            return tiny.invoke(name).payload
        except tiny.cloud.client("lambda").exceptions.TooManyRequestsException:
            time.sleep(0.05)
    raise TimeoutError(f"{name} is refused for too long")
