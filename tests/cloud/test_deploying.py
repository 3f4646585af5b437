"""Deploying a project: the stacks and a real `chalice deploy`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from local_cloud.cloud import LocalCloud, NotDeployed
from local_cloud.errors import DeployFailed

ROOT = Path(__file__).parent.parent.parent
APP_FUNCTIONS = {
    "face-detection",
    "face-detection-other",
    "start-face-detection",
    "check-rekognition-job-status",
    "get-rekognized-faces",
    "record-failure",
    "delete-work-objects",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of what is deployed of this project, to be changed by a test."""
    for part in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / part, tmp_path / part)
    for part in ("chalicelib", ".chalice", "statemachine", "blur_container"):
        ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "stages")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    return tmp_path


def test_empty_cloud_knows_no_buckets() -> None:
    """The names belong to a deployed project."""
    with LocalCloud() as cloud, pytest.raises(NotDeployed):
        _ = cloud.buckets


def test_project_is_deployed_whole(project: Path) -> None:
    """Functions, buckets, notifications and the state machine stand; the project's folder is as it was."""
    before = sorted(project.rglob("*"))

    with LocalCloud() as cloud:
        cloud.deploy(project)
        functions = cloud.client("lambda").list_functions()["Functions"]
        s3 = cloud.client("s3")
        told = s3.get_bucket_notification_configuration(Bucket=cloud.buckets.input)
        versioning = s3.get_bucket_versioning(Bucket=cloud.buckets.input)
        machine = cloud.client("stepfunctions").describe_state_machine(
            stateMachineArn=cloud.state_machine_arn
        )

    names = {function["FunctionName"].removeprefix("face-blur-local-") for function in functions}
    assert names == APP_FUNCTIONS | {"plan-segments", "blur-faces", "assemble-video"}
    assert len(told["LambdaFunctionConfigurations"]) == 1
    assert "EventBridgeConfiguration" in told
    assert versioning["Status"] == "Enabled"
    assert "${" not in json.dumps(machine["definition"])
    assert sorted(project.rglob("*")) == before


def test_failing_chalice_deploy_says_why(project: Path) -> None:
    """An app that cannot be imported fails the deployment with chalice's own output."""
    (project / "app.py").write_text("import not_installed_anywhere\n")

    with LocalCloud() as cloud, pytest.raises(DeployFailed, match="not_installed_anywhere"):
        cloud.deploy(project)


def test_app_that_is_deployed_by_halves_answers_no_event(project: Path) -> None:
    """A first `chalice deploy` that breaks off after a notification takes it back."""
    folder = project / ".chalice"
    policy = (folder / "policy-face-detection.json").read_text()
    (folder / "policy-broken.json").write_text(policy.replace("sqs:SendMessage", "not an action"))
    config = json.loads((folder / "config.json").read_text())
    config["lambda_functions"]["face-detection-other"]["iam_policy_file"] = "policy-broken.json"
    (folder / "config.json").write_text(json.dumps(config))

    with LocalCloud() as cloud:
        with pytest.raises(DeployFailed, match="chalice deploy"):
            cloud.deploy(project)
        functions = [one["FunctionName"] for one in cloud.client("lambda").list_functions()["Functions"]]
        told = cloud.client("s3").get_bucket_notification_configuration(
            Bucket="face-blur-local-input-123456789012"
        )

    assert "face-blur-local-face-detection" in functions
    assert "LambdaFunctionConfigurations" not in told
