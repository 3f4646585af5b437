"""Remove one action from each policy in turn, and show that a run notices each removal.

`python -m tests.checks.permissions [WORD]` deploys one stage with every option that adds permissions, changes
the policies of its roles in place, and runs scenarios until one ends differently. WORD limits the removals
to those whose line has it. The exit code is 1 if a removal goes unnoticed.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from deploy.settings import StageSettings
from local_cloud.cloud import LocalCloud
from local_cloud.http.iam_calls import STATE_MACHINE, ServiceCall
from local_cloud.project import STAGE
from local_cloud.settings import CloudSettings, RekognitionSettings
from tests.checks.deployment_scenarios import CONTAINER_FUNCTIONS, PREFIX, Scenario
from tests.checks.permission_scenarios import Scenarios
from tests.clouds.short_retries import shorten_retries
from tests.end_to_end.conftest import ROOT

_OTHER_ACTION = "sts:TagSession"
MAKE_STREAM, _WRITE_LINE = "logs:CreateLogStream", "logs:PutLogEvents"
ENDPOINT, TRUST = "S3 endpoint", "trust"
SETTINGS = CloudSettings(
    detection="rekognition",
    rekognition=RekognitionSettings(page_size=1),
    retry_delays_s=(0.02,),
    # Short clips are shared out too: those with keyframes to be cut at.
    renderer={"SEGMENT_WORK_S": "0.01", "SEGMENTS_AT_ONCE": "2", "PRESET": "ultrafast"},
)


@dataclass(frozen=True)
class Removal:
    """One action less in one statement; `owner` is a function, the state machine or the endpoint."""

    owner: str
    policy: str
    statement: str
    action: str
    resources: tuple[str, ...]
    document: dict[str, Any]
    write: Callable[[dict[str, Any]], Any]

    def __str__(self) -> str:
        return f"{self.owner}: {self.policy}, {self.statement}, {self.action}"

    def is_about(self, call: ServiceCall) -> bool:
        """Return whether the statement allows `call` by this action."""
        principal = call.principal.removeprefix(PREFIX)
        owners = CONTAINER_FUNCTIONS if self.owner == ENDPOINT else (self.owner,)
        if principal not in owners or self.policy == TRUST:
            return principal in owners
        on_resource = any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
        # Only the first line of a sandbox makes a stream: every line may be the first.
        action = _WRITE_LINE if self.action == MAKE_STREAM else self.action
        return fnmatchcase(call.action, action) and on_resource


@dataclass(frozen=True)
class Known:
    """A scenario as it ends with every permission: its outcome, its calls, its duration."""

    scenario: Scenario
    outcome: Any
    calls: frozenset[ServiceCall]
    duration_s: float

    def needs(self, removal: Removal) -> bool:
        """Return whether the scenario needs what was removed."""
        named = (removal.owner, removal.statement) in self.scenario.statements
        return named or any(map(removal.is_about, self.calls))


def removals(cloud: LocalCloud) -> Iterator[Removal]:
    """Yield every removal: of the roles' policies and trust policies, and of the endpoint's policy."""
    iam, ec2 = cloud.client("iam"), cloud.client("ec2")
    functions = cloud.client("lambda").list_functions()["Functions"]
    roles = {one["FunctionName"].removeprefix(PREFIX): one["Role"].rpartition("/")[2] for one in functions}
    for owner, role in {**roles, STATE_MACHINE: PREFIX + STATE_MACHINE}.items():
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

            def write(changed: dict[str, Any], role: str = role, name: str = name) -> None:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(changed))

            yield from _of_document(owner, "policy", document, write)

        def trust(changed: dict[str, Any], role: str = role) -> None:
            iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(changed))

        document = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        yield from _of_document(owner, TRUST, document, trust)
    [endpoint] = ec2.describe_vpc_endpoints()["VpcEndpoints"]

    def open_less(changed: dict[str, Any]) -> None:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=json.dumps(changed))

    yield from _of_document(ENDPOINT, "policy", json.loads(endpoint["PolicyDocument"]), open_less)


def _of_document(
    owner: str, policy: str, document: dict[str, Any], write: Callable[[dict[str, Any]], Any]
) -> Iterator[Removal]:
    for statement in document["Statement"]:
        resources = tuple(_listed(statement.get("Resource", "*")))
        for action in _listed(statement["Action"]):
            name = statement.get("Sid", "assume")
            yield Removal(owner, policy, name, action, resources, document, write)


def without(removal: Removal) -> dict[str, Any]:
    """Return the policy after the removal; a statement without actions goes, the last one has another."""
    document = copy.deepcopy(removal.document)
    for statement in document["Statement"]:
        if statement.get("Sid", "assume") == removal.statement:
            statement["Action"] = [one for one in _listed(statement["Action"]) if one != removal.action]
    kept = [one for one in document["Statement"] if one["Action"]]
    # IAM accepts no policy without a statement.
    document["Statement"] = kept or [{**one, "Action": _OTHER_ACTION} for one in document["Statement"]]
    return document


def noticed_by(removal: Removal, known: Sequence[Known], cloud: LocalCloud) -> str:
    """Return the first scenario that ends differently without the action; empty where none does."""
    candidates = sorted((one for one in known if one.needs(removal)), key=lambda one: one.duration_s)
    removal.write(without(removal))
    try:
        for one in candidates:
            if removal.action == MAKE_STREAM:
                # A warm sandbox has its stream already.
                cloud.client("lambda").update_function_configuration(
                    FunctionName=PREFIX + removal.owner, Description=f"at {time.time_ns()}"
                )
            if one.scenario.run() != one.outcome:
                return one.scenario.name
    finally:
        removal.write(removal.document)
    return ""


def known_outcome(cloud: LocalCloud, scenario: Scenario) -> Known:
    """Run a scenario, and return how it ends with every permission."""
    cloud.forget_calls()
    begin_s = time.monotonic()
    outcome = scenario.run()
    return Known(scenario, outcome, cloud.calls(), time.monotonic() - begin_s)


@contextmanager
def deployed_stage() -> Iterator[LocalCloud]:
    """Yield a cloud with a stage that has every option that adds permissions."""
    with LocalCloud(SETTINGS) as cloud:
        key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
        cloud.deploy(ROOT, stage=StageSettings(STAGE, kms_key_arn=key, uploads_per_hour=1000, isolated=True))
        shorten_retries(cloud, 1)
        yield cloud


def main(word: str = "") -> int:
    """Print each removal with the scenario that noticed it; return the exit code."""
    with tempfile.TemporaryDirectory() as folder, deployed_stage() as cloud:
        known = []
        for scenario in Scenarios(cloud, Path(folder)).every():
            first = scenario.run()
            known.append(known_outcome(cloud, scenario))
            # An outcome that differs by itself would be taken for a notice.
            assert known[-1].outcome == first, f"{scenario.name}: {first}, then {known[-1].outcome}"
            print(f"{known[-1].duration_s:6.1f} s  {scenario.name}: {first}", flush=True)
        wanted = [one for one in removals(cloud) if word in str(one)]
        missed = []
        for removal in wanted:
            begin_s = time.monotonic()
            name = noticed_by(removal, known, cloud)
            missed += [] if name else [removal]
            told = f"noticed by {name}" if name else "NOT NOTICED"
            print(f"{time.monotonic() - begin_s:6.1f} s  {removal}: {told}", flush=True)
    print(f"{len(wanted) - len(missed)} of {len(wanted)} removals were noticed")
    return 1 if missed or not wanted else 0


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
