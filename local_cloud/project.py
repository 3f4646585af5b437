"""The project as it is deployed locally: the names in stage `local` of .chalice/config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

STAGE = "local"


@dataclass(frozen=True)
class Buckets:
    """The three buckets by their part."""

    input: str
    work: str
    output: str


@dataclass(frozen=True)
class ProjectNames:
    """What the project calls its app, buckets and state machine."""

    app: str
    buckets: Buckets
    state_machine_arn: str

    @property
    def image_uri(self) -> str:
        """Return the name under which the container image is pushed here."""
        return f"{self.app}-{STAGE}:local"

    @property
    def stack_parameters(self) -> dict[str, str]:
        """Return the parameters that both stacks take."""
        return {
            "Stage": STAGE,
            "InputBucketName": self.buckets.input,
            "WorkBucketName": self.buckets.work,
            "OutputBucketName": self.buckets.output,
        }

    def log_group(self, function: str) -> str:
        """Return the log group of `function`, named as in the app."""
        return f"/aws/lambda/{self.app}-{STAGE}-{function}"


def read_names(project: Path) -> ProjectNames:
    """Return the names in `project`."""
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    variables = config["stages"][STAGE]["environment_variables"]
    buckets = Buckets(variables["INPUT_BUCKET"], variables["WORK_BUCKET"], variables["OUTPUT_BUCKET"])
    return ProjectNames(config["app_name"], buckets, variables["STATE_MACHINE_ARN"])
