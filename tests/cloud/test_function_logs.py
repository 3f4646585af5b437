"""What functions print, as CloudWatch Logs shows it."""

from __future__ import annotations

import base64
import re
import threading

from tests.clouds.tiny import TinyCloud

TALKING = """
import sys, time

def handler(event, context):
    print("first line")
    print("to stderr", file=sys.stderr)
    sys.stdout.flush()
    time.sleep(event.get("sleep_s", 0))
    print("ä 顔", end="")
"""


def test_silent_function_logs_the_frame_only(tiny: TinyCloud) -> None:
    """START, END and REPORT stand in the log of a function that prints nothing."""
    tiny.deploy("silent", "def handler(event, context):\n    pass\n")
    tiny.invoke("silent")

    start, end, report = tiny.log_messages("silent")

    assert re.fullmatch(r"START RequestId: [0-9a-f-]{36} Version: \$LATEST", start)
    assert re.fullmatch(r"END RequestId: [0-9a-f-]{36}", end)
    assert re.match(r"REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms", report)
    assert re.search(r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms", report)


def test_printed_lines_stand_between(tiny: TinyCloud) -> None:
    """Standard output and error are logged in order between START and END, an unfinished line too."""
    tiny.deploy("talking", TALKING)
    tiny.invoke("talking")

    messages = tiny.log_messages("talking")

    assert messages[1:4] == ["first line", "to stderr", "ä 顔"]


def test_lines_are_there_while_the_function_runs(tiny: TinyCloud) -> None:
    """A line can be read before the invocation ends: progress is shown from it."""
    tiny.deploy("live", TALKING)
    invocation = threading.Thread(target=tiny.invoke, args=("live", {"sleep_s": 2}))
    invocation.start()
    tiny.wait_for_log("live", "first line")

    is_running = invocation.is_alive()

    invocation.join()
    assert is_running


def test_second_report_has_no_init_duration(tiny: TinyCloud) -> None:
    """Only the REPORT line of a cold start contains an Init Duration."""
    tiny.deploy("warm", "def handler(event, context):\n    pass\n")
    tiny.invoke("warm")
    tiny.invoke("warm")

    reports = [message for message in tiny.log_messages("warm") if message.startswith("REPORT")]

    assert ["Init Duration" in report for report in reports] == [True, False]


def test_error_is_logged_with_its_trace(tiny: TinyCloud) -> None:
    """An unhandled error stands in the log with its class name."""
    tiny.deploy("raising", "def handler(event, context):\n    raise KeyError('face')\n")
    tiny.invoke("raising")

    messages = tiny.log_messages("raising")

    assert any("KeyError" in message for message in messages)


def test_timeout_is_logged_in_lambdas_words(tiny: TinyCloud) -> None:
    """The log says what the answer says."""
    tiny.deploy("late", "import time\ndef handler(event, context):\n    time.sleep(30)\n", timeout_s=1)
    tiny.invoke("late")

    messages = tiny.log_messages("late")

    assert any(message.endswith("Task timed out after 1.00 seconds") for message in messages)


def test_invoke_returns_the_tail_where_asked(tiny: TinyCloud) -> None:
    """LogType Tail brings the log with the answer."""
    tiny.deploy("tail", TALKING)

    answer = tiny.cloud.client("lambda").invoke(FunctionName="tail", LogType="Tail")

    with answer["Payload"] as payload:
        payload.read()
    assert "first line\nto stderr\n" in base64.b64decode(answer["LogResult"]).decode()
