"""EventBridge for bucket events: the targets of the rules in moto's default bus."""

from __future__ import annotations

from typing import Any

from local_cloud.http.serial_moto import SerialMoto
from local_cloud.identity import ACCOUNT_ID, REGION


class BucketRules:
    """The rules that `moto` keeps; moto itself sends bucket events to its own functions only."""

    def __init__(self, moto: SerialMoto) -> None:
        self._moto = moto

    def targets(self, event: dict[str, Any]) -> list[str]:
        """Return the ARNs of the targets of all enabled rules that match `event`."""
        from moto.events.models import events_backends  # noqa: PLC0415 moto loads in half a second

        with self._moto.alone("events"):
            rules = events_backends[ACCOUNT_ID][REGION].event_buses["default"].rules.values()
            return [
                str(target["Arn"])
                for rule in rules
                if rule.state == "ENABLED" and not rule.scheduled_expression
                if rule.event_pattern.matches_event(event)  # type: ignore[arg-type]
                for target in rule.targets
            ]
