"""Event invocations: accepted at once, tried again, delivered twice where asked, kept where lost."""

from __future__ import annotations

import json
import time

import pytest

from local_cloud.settings import CloudSettings
from tests.clouds.tiny import TinyCloud, Watch

FAILING_AT_FIRST = """
import json, os, pathlib, uuid

def handler(event, context):
    folder = pathlib.Path(os.environ["FOLDER"])
    (folder / f"{uuid.uuid4()}.json").write_text("{}")
    if len(list(folder.glob("*.json"))) <= event["failures"]:
        raise ValueError("not yet")
"""


@pytest.fixture(scope="module")
def cloud_settings() -> CloudSettings:
    """Return settings with two deliveries of each event, short delays and one sandbox a function."""
    return CloudSettings(
        detection="rekognition", event_deliveries=2, retry_delays_s=(0.05, 0.1), zip_concurrency=1
    )


def test_event_is_accepted_before_it_is_done(tiny: TinyCloud) -> None:
    """Invoke with type Event answers 202 and no payload."""
    tiny.deploy("accepted", FAILING_AT_FIRST)

    answer = tiny.cloud.client("lambda").invoke(
        FunctionName="accepted", InvocationType="Event", Payload=json.dumps({"failures": 0})
    )

    assert answer["StatusCode"] == 202
    tiny.wait_for("accepted", 1)


@pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_event_is_tried_until_it_succeeds(tiny: TinyCloud, failures: int, attempts: int) -> None:
    """A failed event is tried twice more, and no more once it succeeded."""
    name = f"attempts-{failures}"
    tiny.deploy(name, FAILING_AT_FIRST)
    tiny.cloud.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps({"failures": failures})
    )
    tiny.wait_for(name, attempts)
    time.sleep(0.3)

    with pytest.raises(TimeoutError):
        tiny.wait_for(name, attempts + 1, patience_s=0.1)


def test_event_that_always_fails_is_kept_as_lost(tiny: TinyCloud, capfd: pytest.CaptureFixture[str]) -> None:
    """After its last retry an event is in lost_events, and said on stderr."""
    tiny.deploy("lost", FAILING_AT_FIRST)
    tiny.cloud.client("lambda").invoke(
        FunctionName="lost", InvocationType="Event", Payload=json.dumps({"failures": 9})
    )

    [lost] = tiny.lost_events()

    assert (lost.function_name, json.loads(lost.error)["errorType"]) == ("lost", "ValueError")
    assert "event of lost was lost after its last retry" in capfd.readouterr().err


def test_upload_is_delivered_twice_where_asked(tiny: TinyCloud) -> None:
    """Both deliveries of an event have the same sequencer."""
    tiny.watched_bucket("twice", Watch())
    tiny.upload("twice", "clip.mp4")

    records = tiny.received("twice", 2)

    assert len(records) == 2
    assert len({record["s3"]["object"]["sequencer"] for record in records}) == 1


def test_invocations_over_the_limit_wait_in_line(tiny: TinyCloud) -> None:
    """With one sandbox allowed, ten events are all handled by the one process."""
    tiny.watched_bucket("line", Watch())
    before = len(tiny.log_messages("line"))
    tiny.upload("line", "1.mp4")
    tiny.upload("line", "2.mp4")
    tiny.upload("line", "3.mp4")

    tiny.received("line", 6)

    reports = [message for message in tiny.log_messages("line") if "Init Duration" in message]
    assert (before, len(reports)) == (0, 1)
