"""Least privilege, both ways: what functions called is allowed, and what is allowed was called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local_cloud.cloud import LocalCloud
from local_cloud.http.iam_calls import STATE_MACHINE, ServiceCall
from tests.checks.deployment_scenarios import CONTAINER_FUNCTIONS, OUTSIDER, PREFIX
from tests.checks.permission_scenarios import Scenarios
from tests.checks.permissions import Known, deployed_stage, known_outcome, noticed_by, removals
from tests.end_to_end.conftest import ROOT

APP_FUNCTIONS = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]
FUNCTIONS = [*APP_FUNCTIONS, *CONTAINER_FUNCTIONS]
# Step Functions and Lambda call these themselves with the role, at a deployment.
CALLED_BY_AWS = {STATE_MACHINE: ("logs:", "xray:"), **dict.fromkeys(CONTAINER_FUNCTIONS, ("ec2:",))}


@dataclass(frozen=True)
class Permission:
    """One action that a statement allows, on its resources."""

    statement: str
    action: str
    resources: tuple[str, ...]

    def covers(self, call: ServiceCall) -> bool:
        """Return whether `call` may be made by this permission."""
        on_resource = any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
        return fnmatchcase(call.action.lower(), self.action.lower()) and on_resource


@dataclass(frozen=True)
class Session:
    """A deployed stage and its scenarios: the permissions and the calls of each function."""

    cloud: LocalCloud
    known: list[Known]
    permissions: dict[str, list[Permission]]
    calls: frozenset[ServiceCall]

    def calls_of(self, function: str) -> set[ServiceCall]:
        """Return the calls of one function, or of the state machine."""
        return {call for call in self.calls if call.principal.removeprefix(PREFIX) == function}


def test_no_function_no_calls(session: Session) -> None:
    """The empty case: nobody else called anything, but who came by a role's credentials."""
    assert session.calls_of("no-such-function") == set()
    assert {call.principal.removeprefix(PREFIX) for call in session.calls} == {
        *FUNCTIONS,
        STATE_MACHINE,
        OUTSIDER,
    }


@pytest.mark.parametrize("function", [*FUNCTIONS, STATE_MACHINE])
def test_every_action_that_was_called_is_allowed(session: Session, function: str) -> None:
    """Each recorded call is allowed on its resource by the policy of the role that made it."""
    refused = [
        call
        for call in session.calls_of(function)
        if not any(permission.covers(call) for permission in session.permissions[function])
    ]

    assert refused == []


@pytest.mark.parametrize("function", [*FUNCTIONS, STATE_MACHINE])
def test_every_action_that_is_allowed_was_called(session: Session, function: str) -> None:
    """An action nobody calls is one too many."""
    unused = [
        permission
        for permission in session.permissions[function]
        if not permission.action.startswith(CALLED_BY_AWS.get(function, ()))
        and not any(permission.covers(call) for call in session.calls_of(function))
    ]

    assert unused == []


def test_each_function_has_a_role_of_its_own(session: Session) -> None:
    """One role, one job: roles are as many as functions, and none allows everything."""
    every = [permission for permissions in session.permissions.values() for permission in permissions]

    assert set(session.permissions) == {*FUNCTIONS, STATE_MACHINE}
    assert [permission for permission in every if "*" in permission.action] == []


def test_only_actions_without_a_narrower_resource_have_a_star(session: Session) -> None:
    """Rekognition's know none; those of log delivery, of X-Ray and of network interfaces neither."""
    every = [permission for permissions in session.permissions.values() for permission in permissions]

    wide = {permission.action.partition(":")[0] for permission in every if permission.resources == ("*",)}
    assert wide == {"rekognition", "logs", "xray", "ec2"}


@pytest.mark.parametrize(
    ("owner", "action"),
    [
        ("start-face-detection", "s3:ListBucketVersions"),
        ("start-face-detection", "kms:Decrypt"),
        ("plan-segments", "ec2:CreateNetworkInterface"),
        ("state-machine", "logs:CreateLogDelivery"),
        ("face-detection", "sqs:SendMessage"),
    ],
)
def test_removed_permission_is_noticed(session: Session, owner: str, action: str) -> None:
    """`python -m tests.checks.permissions` removes every action of every policy in turn; here a few."""
    [removal] = [one for one in removals(session.cloud) if (one.owner, one.action) == (owner, action)][:1]

    assert noticed_by(removal, session.known, session.cloud)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a stage with every option that adds permissions, after all scenarios."""
    with deployed_stage() as cloud:
        scenarios = Scenarios(cloud, tmp_path_factory.mktemp("policies")).every()
        prepared = cloud.calls()
        known = [known_outcome(cloud, scenario) for scenario in scenarios]
        calls = (call for one in known for call in one.calls)
        yield Session(cloud, known, _permissions(cloud), frozenset([*prepared, *calls]))


def _permissions(cloud: LocalCloud) -> dict[str, list[Permission]]:
    functions = cloud.client("lambda").list_functions()["Functions"]
    roles = {one["FunctionName"].removeprefix(PREFIX): one["Role"].rpartition("/")[2] for one in functions}
    return {
        name: _role(cloud, role) for name, role in {**roles, STATE_MACHINE: PREFIX + STATE_MACHINE}.items()
    }


def _role(cloud: LocalCloud, role: str) -> list[Permission]:
    iam = cloud.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [
        Permission(statement["Sid"], action, tuple(_listed(statement["Resource"])))
        for document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in _listed(statement["Action"])
    ]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
