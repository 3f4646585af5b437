"""The commands of deploy/ as people call them, against a local cloud; and what an account holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.__main__ import main
from local_cloud.cloud import LocalCloud

STAGE = "dev"
# Processes that run tests side by side build the same image: each has a store of its own.
_STORE = f".local-cloud/images-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
ENGINE = f"{sys.executable} -m local_cloud.lambda_service.engine --store {_STORE}"
ACCOUNT = "123456789012"
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:face-blur-{STAGE}"


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    printed: str


@dataclass(frozen=True)
class Commands:
    """`make deploy` and its like, with settings and a staging folder of the test's own."""

    folder: Path
    printed: Callable[[], str]

    def configure(self, **entry: Any) -> None:
        """Write the stage's entry in stages.yaml."""
        self._settings.write_text(yaml.safe_dump({STAGE: entry}))

    def run(self, command: str, *options: str, engine: str = ENGINE) -> Ended:
        """Run the command; what was printed before it is forgotten."""
        if not self._settings.exists():
            self.configure()
        self.printed()
        code = main(
            [
                command,
                *("--stage", STAGE, "--settings", str(self._settings)),
                *("--folder", str(self.folder / "staged"), "--engine", engine),
                *("--chalice", str(self.folder / ".chalice")),
                *options,
            ]
        )
        return Ended(code, self.printed())

    @property
    def _settings(self) -> Path:
        return self.folder / "stages.yaml"


def bucket(part: str) -> str:
    """Return the stage's own bucket for `part`."""
    return f"face-blur-{STAGE}-{part}-{ACCOUNT}"


def inventory(cloud: LocalCloud) -> dict[str, list[str]]:
    """Return everything in the account, by kind; kinds without anything are left out."""
    questions: list[tuple[str, str, str, str]] = [
        ("cloudformation", "describe_stacks", "Stacks", "StackName"),
        ("lambda", "list_functions", "Functions", "FunctionName"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("s3", "list_buckets", "Buckets", "Name"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("sqs", "list_queues", "QueueUrls", ""),
        ("sns", "list_topics", "Topics", "TopicArn"),
        ("events", "list_rules", "Rules", "Name"),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        ("ecr", "describe_repositories", "repositories", "repositoryName"),
        ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ]
    found = {
        f"{service}.{operation}": sorted(
            one[name] if name else one for one in getattr(cloud.client(service), operation)().get(answer, [])
        )
        for service, operation, answer, name in questions
    }
    return {kind: names for kind, names in found.items() if names}


def told(cloud: LocalCloud) -> list[str]:
    """Return the functions that the input bucket tells of uploads; none where there is no bucket."""
    s3 = cloud.client("s3")
    if bucket("input") not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        return []
    answer = s3.get_bucket_notification_configuration(Bucket=bucket("input"))
    return [one["LambdaFunctionArn"] for one in answer.get("LambdaFunctionConfigurations", [])]
