"""Chalice's own commands in the root, for stages that `make deploy` recorded: deploy, invoke, logs, local."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.names import EVENT_FUNCTIONS
from local_cloud.cloud import LocalCloud
from tests.clouds.checkout import ROOT, Checkout, status_of
from tests.clouds.deploy_commands import told

FUNCTION = "face-blur-dev-face-detection"
TEST_EVENT = '{"Event": "s3:TestEvent"}'


@dataclass(frozen=True)
class Stage:
    """A stage's app in the account: the configuration of each function, and the policy of each role."""

    functions: dict[str, dict[str, Any]]
    policies: dict[str, Any]


def stage_of(cloud: LocalCloud, prefix: str) -> Stage:
    """Return what the account holds of the app whose functions' names begin with `prefix`."""
    functions, roles = cloud.client("lambda"), cloud.client("iam")
    kept = (
        "Role",
        "Runtime",
        "Handler",
        "Timeout",
        "MemorySize",
        "Environment",
        "CodeSha256",
        "Architectures",
    )
    found = {
        one["FunctionName"]: {
            **{name: one.get(name) for name in kept},
            "Tags": functions.list_tags(Resource=one["FunctionArn"])["Tags"],
        }
        for one in functions.list_functions()["Functions"]
        if one["FunctionName"].startswith(prefix) and one["PackageType"] == "Zip"
    }
    policies = {
        name: roles.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"] for name in found
    }
    return Stage(found, policies)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Return the module's cloud."""
    with LocalCloud() as opened:
        yield opened


@pytest.fixture(scope="module")
def recorded(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout that has deployed and so recorded stage dev."""
    checkout = Checkout.make(tmp_path_factory.mktemp("recorded") / "checkout", cloud.environment)
    ended = checkout.make_stage("up")
    assert ended.code == 0, ended.printed
    return checkout


@pytest.fixture
def fresh(cloud: LocalCloud, tmp_path: Path) -> Checkout:
    """Return a checkout as it is cloned."""
    return Checkout.make(tmp_path / "fresh", cloud.environment)


@pytest.fixture
def copy(recorded: Checkout, tmp_path: Path) -> Checkout:
    """Return a copy of the recorded checkout, at another place, to be changed by a test."""
    shutil.copytree(recorded.folder, tmp_path / "copy")
    return Checkout(tmp_path / "copy", recorded.environment)


def change_record(checkout: Checkout, name: str, field: str, value: str) -> None:
    """Change one field in a part of the record of stage dev."""
    path = checkout.folder / ".chalice" / "stages" / "dev" / "outputs.json"
    record = json.loads(path.read_text())
    record[name][field] = value
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_stage_without_a_record_is_one_sentence(fresh: Checkout, stage: str) -> None:
    """Chalice says what to run first, and deploys nothing."""
    ended = fresh.chalice("deploy", "--stage", stage)

    assert ended.code == 1
    assert ended.printed == (
        f"Error: Stage {stage} is not recorded in this checkout: run `make deploy STAGE={stage}` first; it"
        " makes what the functions need, and records it for chalice.\n"
    )


def test_chalice_deploys_what_make_deploys(cloud: LocalCloud, recorded: Checkout) -> None:
    """Names, code, settings, tags, roles and policies are the same, and so is who is told of uploads."""
    recorded.make_stage("up")
    by_make, told_by_make = stage_of(cloud, "face-blur-dev-"), told(cloud)

    ended = recorded.chalice("deploy", "--stage", "dev")

    assert ended.code == 0, ended.printed
    assert len(by_make.functions) == 7
    assert stage_of(cloud, "face-blur-dev-") == by_make
    assert told(cloud) == told_by_make


def test_changed_app_goes_to_the_same_stage(cloud: LocalCloud, copy: Checkout) -> None:
    """Only code and digest differ, and `make deploy` finds nothing to do after it."""
    before = stage_of(cloud, "face-blur-dev-")
    (copy.folder / "app.py").write_text(copy.read("app.py") + "\n# changed\n")

    ended = copy.chalice("deploy")

    after = stage_of(cloud, "face-blur-dev-")
    planned = copy.make_stage("up", "--dry-run")
    assert ended.code == 0, ended.printed
    assert after.policies == before.policies
    assert after.functions[FUNCTION]["Environment"] == before.functions[FUNCTION]["Environment"]
    assert after.functions[FUNCTION]["CodeSha256"] != before.functions[FUNCTION]["CodeSha256"]
    assert "app         no change" in planned.printed


def test_tracked_files_stay_as_they_are(recorded: Checkout) -> None:
    """A stage is recorded beside the defaults, never in them."""
    assert recorded.read(".chalice/config.json") == (ROOT / ".chalice" / "config.json").read_text()
    assert "${KmsKeyArn}" in recorded.read(".chalice/policy-face-detection.json")


def test_functions_are_invoked_and_logged_by_chalice(recorded: Checkout) -> None:
    """`chalice invoke` returns the function's answer, and `chalice logs` what it logged."""
    invoked = recorded.chalice(
        "invoke", "--stage", "dev", "-n", EVENT_FUNCTIONS[0], standard_input=TEST_EVENT
    )
    logged = recorded.chalice("logs", "--stage", "dev", "-n", EVENT_FUNCTIONS[0])

    assert (invoked.code, json.loads(invoked.printed)) == (0, {"records": 0, "executions": []})
    assert logged.code == 0
    assert "no records: s3:TestEvent" in logged.printed


@pytest.mark.parametrize("stage", ["dev", "unrecorded"])
def test_local_server_starts(recorded: Checkout, stage: str) -> None:
    """`chalice local` answers; the app has no routes, so the answer is API Gateway's for an unknown one.

    It writes no file, for it watches them and would start again.
    """
    before = recorded.changes()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with recorded.serving(port, "--stage", stage) as process:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        answered = status_of(f"http://127.0.0.1:{port}/")

    assert greeting == f"Serving on http://127.0.0.1:{port}\n"
    assert answered == 403
    assert recorded.changes() == before


def test_moved_checkout_keeps_its_stages(recorded: Checkout, tmp_path: Path) -> None:
    """The record holds no path."""
    shutil.copytree(recorded.folder, tmp_path / "here")
    checkout = Checkout(tmp_path / "here", recorded.environment)

    moved = checkout.moved(tmp_path / "there")
    deployed = moved.chalice("deploy", "--stage", "dev")
    invoked = moved.chalice("invoke", "-n", EVENT_FUNCTIONS[0], standard_input=TEST_EVENT)

    assert deployed.code == 0, deployed.printed
    assert invoked.code == 0, invoked.printed


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("account", "id", "210987654321"),
        ("outputs", "WORK_BUCKET", "elsewhere"),
        ("settings", "colour", "blue"),
    ],
)
def test_record_that_does_not_fit_the_code_is_refused(
    copy: Checkout, part: str, field: str, value: str
) -> None:
    """An upgrade is for `make deploy`, which changes the stacks too."""
    change_record(copy, part, field, value)

    ended = copy.chalice("deploy")

    assert ended.code == 1
    assert ended.printed.startswith("Error: Another version of this project recorded stage dev")


def test_credentials_of_another_account_are_refused(copy: Checkout) -> None:
    """A stage that was recorded in one account is not deployed into another."""
    path = copy.folder / ".chalice" / "stages" / "dev" / "outputs.json"
    path.write_text(path.read_text().replace("123456789012", "210987654321"))

    ended = copy.chalice("deploy")

    assert ended.code == 1
    assert "recorded for account 210987654321, and the credentials are of 123456789012" in ended.printed


def test_another_region_is_refused(recorded: Checkout) -> None:
    """A stage that was recorded in one region is not deployed into another."""
    ended = recorded.chalice("deploy", AWS_REGION="eu-west-1")

    assert ended.code == 1
    assert "Stage dev is recorded for us-east-1, and the region is eu-west-1" in ended.printed


def test_region_of_the_record_needs_no_variable(recorded: Checkout) -> None:
    """Chalice itself knows AWS_DEFAULT_REGION only."""
    ended = recorded.chalice("deploy", AWS_REGION="", AWS_DEFAULT_REGION="")

    assert ended.code == 0, ended.printed


def test_stage_is_not_deleted_by_halves(recorded: Checkout) -> None:
    """`chalice delete` would leave the state machine and the stacks."""
    ended = recorded.chalice("delete", "--stage", "dev")

    assert ended.code == 1
    assert ended.printed.startswith("Error: `make remove STAGE=dev` removes the stage")


def test_second_stage_has_settings_of_its_own(cloud: LocalCloud, copy: Checkout) -> None:
    """Two stages of one checkout are recorded side by side; each gets its own limits and policies."""
    copy.configure("two", uploads_per_hour=7)
    made = copy.make_stage("up", stage="two")
    by_make = stage_of(cloud, "face-blur-two-")

    second = copy.chalice("deploy", "--stage", "two")
    first = copy.chalice("deploy", "--stage", "dev")

    by_chalice = stage_of(cloud, "face-blur-two-")
    first_variables = stage_of(cloud, "face-blur-dev-").functions[FUNCTION]["Environment"]["Variables"]
    removed = copy.make_stage("remove", stage="two")
    assert (made.code, second.code, first.code, removed.code) == (0, 0, 0, 0)
    assert by_chalice == by_make
    variables = by_make.functions["face-blur-two-face-detection"]["Environment"]["Variables"]
    assert variables["UPLOADS_PER_HOUR"] == "7"
    assert "UPLOADS_PER_HOUR" not in first_variables


def test_stage_that_somebody_else_changed_or_removed_is_refused(copy: Checkout, fresh: Checkout) -> None:
    """The record of a checkout is compared with the account before anything is deployed."""
    made = copy.make_stage("up", stage="team")
    fresh.configure("team", uploads_per_hour=7)
    changed = fresh.make_stage("up", stage="team")

    after_change = copy.chalice("deploy", "--stage", "team")
    removed = fresh.make_stage("remove", stage="team")
    after_removal = copy.chalice("deploy", "--stage", "team")

    assert (made.code, changed.code, removed.code) == (0, 0, 0)
    assert "Stage team was deployed with other settings since" in after_change.printed
    assert "Stage team is not in account 123456789012 any more" in after_removal.printed
    assert (after_change.code, after_removal.code) == (1, 1)


def test_removed_stage_is_no_longer_recorded(fresh: Checkout) -> None:
    """`make remove` takes the record away with the stage."""
    fresh.make_stage("up", stage="gone")

    fresh.make_stage("remove", stage="gone")

    assert not (fresh.folder / ".chalice" / "stages" / "gone").exists()
    assert not (fresh.folder / ".chalice" / "deployed" / "gone.json").exists()
