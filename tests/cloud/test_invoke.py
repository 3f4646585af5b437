"""Invocations: cold and warm sandboxes, the environment, limits, and errors by name."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_cloud.settings import CloudSettings, RuntimeClient
from tests.clouds.tiny import TinyCloud, zipped

CLIENTS = [
    pytest.param(
        RuntimeClient.AWSLAMBDARIC,
        marks=pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has Linux wheels only"),
    ),
    RuntimeClient.STAND_IN,
]
COUNTING = """
import os
calls = 0

def handler(event, context):
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid()}
"""
SLEEPING = """
import os, time

def handler(event, context):
    time.sleep(event.get("sleep_s", 0))
    return os.getpid()
"""
FAILING = """
class TooBlurred(Exception): pass

def handler(event, context):
    raise TooBlurred("no face is left")
"""
HUNGRY = """
import subprocess, sys, time

def handler(event, context):
    if event.get("in_child"):
        subprocess.run([sys.executable, "-c", "held = b'x' * 300_000_000; import time; time.sleep(20)"])
    if event.get("bytes"):
        held = b"x" * event["bytes"]
        time.sleep(20)
    return "modest"
"""


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda client: client.name)
def cloud_settings(request: pytest.FixtureRequest) -> CloudSettings:
    """Return settings with each of the runtime clients."""
    return CloudSettings(detection="rekognition", runtime_client=request.param)


def test_empty_event_is_answered(tiny: TinyCloud) -> None:
    """An invocation without a payload gets an empty object."""
    tiny.deploy("empty", "def handler(event, context):\n    return event\n")

    answer = tiny.cloud.client("lambda").invoke(FunctionName="empty")

    with answer["Payload"] as payload:
        assert json.loads(payload.read()) == {}


def test_warm_sandbox_is_reused(tiny: TinyCloud) -> None:
    """The second invocation finds the state that the first left."""
    tiny.deploy("counting", COUNTING)

    first, second = tiny.invoke("counting"), tiny.invoke("counting")

    assert (first.payload["calls"], second.payload["calls"]) == (1, 2)
    assert first.payload["pid"] == second.payload["pid"]


def test_simultaneous_invocations_have_a_sandbox_each(tiny: TinyCloud) -> None:
    """Two invocations at once run in two processes."""
    tiny.deploy("sleeping", SLEEPING)

    with ThreadPoolExecutor(2) as callers:
        answers = list(callers.map(tiny.invoke, ["sleeping"] * 2, [{"sleep_s": 0.5}] * 2))

    assert len({answer.payload for answer in answers}) == 2


def test_updated_code_runs_next(tiny: TinyCloud) -> None:
    """UpdateFunctionCode retires the sandboxes of the old code."""
    tiny.deploy("updated", "def handler(event, context):\n    return 1\n")
    before = tiny.invoke("updated")
    tiny.cloud.client("lambda").update_function_code(
        FunctionName="updated", ZipFile=zipped("def handler(event, context):\n    return 2\n")
    )

    after = tiny.invoke("updated")

    assert (before.payload, after.payload) == (1, 2)


def test_updated_variables_are_seen_next(tiny: TinyCloud) -> None:
    """UpdateFunctionConfiguration retires the sandboxes of the old configuration."""
    tiny.deploy(
        "configured", "import os\ndef handler(event, context):\n    return os.environ.get('COLOUR')\n"
    )
    before = tiny.invoke("configured")
    tiny.cloud.client("lambda").update_function_configuration(
        FunctionName="configured", Environment={"Variables": {"COLOUR": "grey"}}
    )

    after = tiny.invoke("configured")

    assert (before.payload, after.payload) == (None, "grey")


def test_environment_is_lambdas(tiny: TinyCloud) -> None:
    """A function sees the variables that Lambda sets, and the endpoint of this cloud."""
    tiny.deploy("environment", "import os\ndef handler(event, context):\n    return dict(os.environ)\n")

    seen = tiny.invoke("environment").payload

    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "environment",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_ENDPOINT_URL": tiny.cloud.endpoint_url,
        "AWS_CONFIG_FILE": "/dev/null",
        "_HANDLER": "tiny.handler",
    }
    assert expected.items() <= seen.items()
    assert seen["TMPDIR"] != seen["LAMBDA_TASK_ROOT"]


def test_callers_variables_stay_outside(tiny: TinyCloud) -> None:
    """No environment variable of the caller reaches a function, except those that the interpreter needs."""
    tiny.deploy("outside", "import os\ndef handler(event, context):\n    return dict(os.environ)\n")

    seen = tiny.invoke("outside").payload

    assert "PYTEST_CURRENT_TEST" not in seen
    assert "AWS_PROFILE" not in seen


def test_context_knows_function_and_deadline(tiny: TinyCloud) -> None:
    """The handler's second argument has the name, the ARN and the time left."""
    code = (
        "def handler(event, context):\n"
        "    left_ms = context.get_remaining_time_in_millis()\n"
        "    return [context.function_name, context.invoked_function_arn, left_ms]\n"
    )
    arn = tiny.deploy("context", code)

    name, seen_arn, left_ms = tiny.invoke("context").payload

    assert (name, seen_arn) == ("context", arn)
    assert 3000 < left_ms <= 5000


def test_unhandled_error_has_its_class_name(tiny: TinyCloud) -> None:
    """An exception is answered as Unhandled, with the class name that the state machine matches."""
    tiny.deploy("failing", FAILING)

    answer = tiny.invoke("failing")

    assert answer.function_error == "Unhandled"
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == ("TooBlurred", "no face is left")


def test_missing_module_is_an_init_error(tiny: TinyCloud) -> None:
    """A handler that cannot be imported is named so, though it ran nothing."""
    tiny.deploy("missing", "import not_installed_anywhere\n")

    answer = tiny.invoke("missing")

    assert answer.function_error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ImportModuleError"
    assert answer.payload["errorMessage"].startswith("Unable to import module 'tiny': No module named")


def test_exit_of_the_process_is_an_exit_error(tiny: TinyCloud) -> None:
    """A function that ends its process is answered with the exit status."""
    tiny.deploy("leaving", "import os\ndef handler(event, context):\n    os._exit(3)\n")

    answer = tiny.invoke("leaving")

    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith("Runtime exited with error: exit status 3")


def test_timeout_kills_the_sandbox(tiny: TinyCloud) -> None:
    """A function over its timeout is stopped with Lambda's words, and the next invocation starts afresh."""
    tiny.deploy("slow", SLEEPING, timeout_s=1)
    first_pid = tiny.invoke("slow").payload

    answer = tiny.invoke("slow", {"sleep_s": 30})
    next_pid = tiny.invoke("slow").payload

    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert next_pid != first_pid


@pytest.mark.parametrize("event", [{"bytes": 200_000_000}, {"in_child": True}], ids=["itself", "its child"])
def test_memory_over_the_limit_kills_the_sandbox(tiny: TinyCloud, event: dict[str, int]) -> None:
    """A function over its memory is killed; children count."""
    name = f"hungry-{next(iter(event)).replace('_', '-')}"
    tiny.deploy(name, HUNGRY, memory_mb=128, timeout_s=15)

    answer = tiny.invoke(name, event)

    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith("signal: killed")


def test_unknown_function_is_not_found(tiny: TinyCloud) -> None:
    """Invoke of a name that nothing was deployed under fails as in Lambda."""
    client = tiny.cloud.client("lambda")

    with pytest.raises(client.exceptions.ResourceNotFoundException, match="nowhere"):
        client.invoke(FunctionName="nowhere")


def test_deleted_function_is_not_found(tiny: TinyCloud) -> None:
    """After DeleteFunction the function no longer exists."""
    tiny.deploy("deleted", COUNTING)
    client = tiny.cloud.client("lambda")
    client.delete_function(FunctionName="deleted")

    with pytest.raises(client.exceptions.ResourceNotFoundException, match="deleted"):
        client.invoke(FunctionName="deleted")


def test_payload_must_be_json(tiny: TinyCloud) -> None:
    """A payload that is not JSON never reaches the function."""
    tiny.deploy("json", COUNTING)
    client = tiny.cloud.client("lambda")

    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="json", Payload=b"{not json")


def test_large_payload_travels_both_ways(tiny: TinyCloud) -> None:
    """Five megabytes go in and come back."""
    tiny.deploy("large", "def handler(event, context):\n    return event\n")

    answer = tiny.invoke("large", {"text": "x" * 5_000_000})

    assert len(answer.payload["text"]) == 5_000_000
