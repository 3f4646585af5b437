"""Read how the uploads of a storm ended: executions, outputs, manifests, and violations of the promise."""

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
_ALLOWED = {("SUCCEEDED", True, "SUCCEEDED"), ("FAILED", False, "FAILED")}


@dataclass(frozen=True)
class Execution:
    """One execution: its name, its status, and its end time."""

    name: str
    status: str
    ended: datetime | None


@dataclass(frozen=True)
class Ending:
    """Results of one upload: statuses of its executions, whether it has an output, its manifest's status."""

    key: str
    statuses: tuple[str, ...]
    has_output: bool
    manifest_status: str

    @property
    def violation(self) -> str:
        """Return how the upload breaks the promise of exactly one visible result, or an empty text."""
        if not self.statuses:
            return "lost: no execution"
        if len(self.statuses) > 1:
            return f"processed twice: {len(self.statuses)} executions"
        if (self.statuses[0], self.has_output, self.manifest_status) in _ALLOWED:
            return ""
        output = "an output" if self.has_output else "no output"
        manifest = self.manifest_status or "none"
        return f"neither delivered nor failed: {self.statuses[0]}, {output}, manifest: {manifest}"


def read_executions(cloud: LocalCloud) -> list[Execution]:
    """Return all executions so far."""
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=cloud.state_machine_arn)
    listed = (execution for page in found for execution in page["executions"])
    return [Execution(one["name"], one["status"], one.get("stopDate")) for one in listed]


def read_endings(cloud: LocalCloud, uploads: Sequence[SourceObject]) -> list[Ending]:
    """Return the results of `uploads`, followed by executions that belong to no upload."""
    statuses: dict[str, list[str]] = defaultdict(list)
    for execution in read_executions(cloud):
        statuses[execution.name].append(execution.status)
    stored = set(_keys(cloud))
    endings = [
        Ending(
            source.key,
            tuple(statuses.pop(execution_name(source), [])),
            output_key(source) in stored,
            _manifest_status(cloud, manifest_key(source), stored),
        )
        for source in uploads
    ]
    return endings + [_stray(name, of) for name, of in statuses.items()]


def _stray(name: str, statuses: Sequence[str]) -> Ending:
    return Ending(f"execution {name}", (*statuses, "of no upload"), has_output=False, manifest_status="")


def _keys(cloud: LocalCloud) -> Iterator[str]:
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=cloud.buckets.output)
    return (listed["Key"] for page in pages for listed in page.get("Contents", []))


def _manifest_status(cloud: LocalCloud, key: str, stored: set[str]) -> str:
    if key not in stored:
        return ""
    body = cloud.client("s3").get_object(Bucket=cloud.buckets.output, Key=key)["Body"].read()
    manifest: dict[str, Any] = json.loads(body)
    return str(manifest["status"])
