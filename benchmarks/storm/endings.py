"""How the uploads of a storm ended: executions, outputs, manifests, and what breaks the promise."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.contract.job import execution_name, manifest_key, output_key
from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud

RUNNING = "RUNNING"
_WAYS = {("SUCCEEDED", True, "SUCCEEDED"), ("FAILED", False, "FAILED")}


@dataclass(frozen=True)
class Execution:
    """One execution: its name, its status, and when it ended."""

    name: str
    status: str
    ended: datetime | None


@dataclass(frozen=True)
class Ending:
    """What became of one upload: the statuses of its executions, its output, and what its manifest tells."""

    key: str
    statuses: tuple[str, ...]
    has_output: bool
    told: str

    @property
    def violation(self) -> str:
        """Return what breaks the promise of one visible ending, or an empty text."""
        if not self.statuses:
            return "lost: no execution"
        if len(self.statuses) > 1:
            return f"done twice: {len(self.statuses)} executions"
        if (self.statuses[0], self.has_output, self.told) in _WAYS:
            return ""
        output = "an output" if self.has_output else "no output"
        return f"neither way: {self.statuses[0]}, {output}, manifest: {self.told or 'none'}"


def read_executions(cloud: LocalCloud) -> list[Execution]:
    """Return all executions so far."""
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=cloud.state_machine_arn)
    listed = (execution for page in found for execution in page["executions"])
    return [Execution(one["name"], one["status"], one.get("stopDate")) for one in listed]


def read_endings(cloud: LocalCloud, uploads: Sequence[SourceObject]) -> list[Ending]:
    """Return what became of `uploads`; executions of nothing that was uploaded come behind them."""
    statuses: dict[str, list[str]] = defaultdict(list)
    for execution in read_executions(cloud):
        statuses[execution.name].append(execution.status)
    stored = set(_keys(cloud))
    endings = [
        Ending(
            source.key,
            tuple(statuses.pop(execution_name(source), [])),
            output_key(source) in stored,
            _told(cloud, manifest_key(source), stored),
        )
        for source in uploads
    ]
    return endings + [_stray(name, of) for name, of in statuses.items()]


def _stray(name: str, statuses: Sequence[str]) -> Ending:
    return Ending(f"execution {name}", (*statuses, "of no upload"), has_output=False, told="")


def _keys(cloud: LocalCloud) -> Iterator[str]:
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=cloud.buckets.output)
    return (listed["Key"] for page in pages for listed in page.get("Contents", []))


def _told(cloud: LocalCloud, key: str, stored: set[str]) -> str:
    if key not in stored:
        return ""
    body = cloud.client("s3").get_object(Bucket=cloud.buckets.output, Key=key)["Body"].read()
    manifest: dict[str, Any] = json.loads(body)
    return str(manifest["status"])
