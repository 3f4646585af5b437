"""Hurrying: the deployed state machine, with short waits between its tries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local_cloud.cloud import LocalCloud

# Between tries, and for a function that may still run.
_WAIT_S, _END_S = 1, 10


def shorten_retries(cloud: LocalCloud, tries_max: int | None = None) -> None:
    """Let the state machine try again a second later, `tries_max` times at most; else as deployed."""
    stepfunctions, arn = cloud.client("stepfunctions"), cloud.state_machine_arn
    definition = json.loads(stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"])
    for retry in _retries(definition):
        tries = min(retry["MaxAttempts"], tries_max or retry["MaxAttempts"])
        retry.update(IntervalSeconds=_WAIT_S, BackoffRate=1, MaxDelaySeconds=_WAIT_S, MaxAttempts=tries)
    definition["States"]["Wait for its end"]["Seconds"] = _END_S
    stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def _retries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from value.get("Retry", [])
        for inner in value.values():
            yield from _retries(inner)
