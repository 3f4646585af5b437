"""EventBridge is turned on beside a bucket's other notifications, and before what it replaces is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.contract.suffixes import OTHER_SUFFIXES
from deploy.bucket_notifications import tell_event_bridge
from deploy.errors import InvalidSettings
from deploy.settings import StageSettings

QUEUE = {"Id": "mine", "QueueArn": "arn:queue", "Events": ["s3:ObjectRemoved:*"]}


@dataclass
class Bucket:
    """S3 with the notifications of one bucket."""

    configuration: dict[str, Any] = field(default_factory=dict)
    puts: int = 0
    exceptions = SimpleNamespace(NoSuchBucket=LookupError)

    def get_bucket_notification_configuration(self, **_: str) -> dict[str, Any]:
        """Return the notifications."""
        return {**self.configuration, "ResponseMetadata": {}}

    def put_bucket_notification_configuration(self, **request: Any) -> None:
        """Replace the notifications."""
        self.configuration = request["NotificationConfiguration"]
        self.puts += 1


def test_other_notifications_are_kept() -> None:
    """A put replaces all of them."""
    bucket = Bucket({"QueueConfigurations": [QUEUE]})

    tell_event_bridge(bucket, "input", ())

    assert bucket.configuration == {"QueueConfigurations": [QUEUE], "EventBridgeConfiguration": {}}


def test_function_of_capitals_is_kept_until_event_bridge_is_told() -> None:
    """For five minutes S3 tells EventBridge nothing: uploads in .MP4 would be lost."""
    waits: list[float] = []

    tell_event_bridge(Bucket(), "input", ("face-detection-capitals",), waits.append)

    assert waits == [360]


@pytest.mark.parametrize(
    ("configuration", "deployed"),
    [({}, ("face-detection",)), ({"EventBridgeConfiguration": {}}, ("face-detection-capitals",))],
)
def test_nothing_else_is_waited_for(configuration: dict[str, Any], deployed: tuple[str, ...]) -> None:
    """A first deployment, and one that found EventBridge on."""
    waits: list[float] = []

    tell_event_bridge(Bucket(configuration), "input", deployed, waits.append)

    assert waits == []


def test_bucket_that_tells_event_bridge_is_left_alone() -> None:
    """Each change of notifications could race with one of the user's."""
    bucket = Bucket({"EventBridgeConfiguration": {}})

    tell_event_bridge(bucket, "input", ())

    assert bucket.puts == 0


@pytest.mark.parametrize("value", [".mov", [".txt"], ["mov"], [".mp4"], {".mov": 1}, 7])
def test_suffixes_that_are_no_list_of_known_ones_are_refused(value: Any) -> None:
    """Before anything is deployed."""
    with pytest.raises(InvalidSettings, match="suffixes"):
        StageSettings.from_entry("dev", {"suffixes": value})


@pytest.mark.parametrize(
    ("entry", "suffixes"),
    [({}, OTHER_SUFFIXES), ({"suffixes": []}, ()), ({"suffixes": [".mkv"]}, (".mkv",))],
)
def test_suffixes_of_a_stage(entry: dict[str, Any], suffixes: tuple[str, ...]) -> None:
    """Beside .mp4."""
    assert StageSettings.from_entry("dev", entry).suffixes == suffixes
