"""What can be wrong with a deployment: one sentence each, and nothing answers events by halves."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings
from tests.clouds.deploy_commands import ENGINE, STAGE, Commands, Ended, bucket, inventory, told

OTHER_ACCOUNT = "222222222222"


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return an empty cloud."""
    with LocalCloud() as opened:
        yield opened


@pytest.fixture
def commands(cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """Return the commands against that cloud, which has set this process's environment."""
    assert cloud.endpoint_url
    return Commands(tmp_path, lambda: capsys.readouterr().out)


def assert_refused(ended: Ended, error: str, mend: str) -> None:
    """Check that a command ended with one sentence: the error's name, and how to mend it."""
    assert ended.code == 1
    assert error in ended.printed
    assert mend in ended.printed
    assert "Traceback" not in ended.printed


def client_of(account: str, cloud: LocalCloud, region: str = "us-east-1") -> Any:
    """Return an S3 client of another account."""
    arn = f"arn:aws:iam::{account}:role/somebody"
    credentials = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=cloud.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def suspended(s3: Any, name: str, versions: str) -> None:
    """Suspend the versions of a bucket that kept them, or leave one as it was made."""
    for status in ("Enabled", versions) if versions else ():
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})


def engine_that_fails_to(verb: str, folder: Path) -> str:
    """Return an engine that does as the local one, but for one command."""
    path = folder / "engine"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = "{verb}" ] && {{ echo "connection reset"; exit 9; }}\nexec {ENGINE} "$@"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_without_credentials_nothing_is_begun(
    cloud: LocalCloud, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment without AWS credentials stops before its first call."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    ended = commands.run("up")

    assert_refused(ended, "NoCredentials", "aws configure")
    assert inventory(cloud) == {}


@pytest.mark.parametrize(
    ("region", "mend"), [("eu-north-1", "export AWS_REGION as one of"), ("", "export AWS_REGION")]
)
def test_region_without_rekognition_is_refused(
    cloud: LocalCloud, commands: Commands, monkeypatch: pytest.MonkeyPatch, region: str, mend: str
) -> None:
    """The message lists the regions that have it."""
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    ended = commands.run("up")

    assert_refused(ended, "WrongRegion", mend)
    assert inventory(cloud) == {}


def test_bucket_name_that_is_taken_is_refused(cloud: LocalCloud, commands: Commands) -> None:
    """A bucket name that another account owns is refused."""
    client_of(OTHER_ACCOUNT, cloud).create_bucket(Bucket=bucket("work"))

    ended = commands.run("up")

    assert_refused(ended, "BucketUnusable", "name another as work_bucket in deploy/stages.yaml")
    assert inventory(cloud) == {}


def test_bucket_in_another_region_is_refused(cloud: LocalCloud, commands: Commands) -> None:
    """A bucket in another region is refused, because Rekognition reads its own region only."""
    cloud.client("s3").create_bucket(
        Bucket="my-videos", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    commands.configure(input_bucket="my-videos")

    ended = commands.run("up")

    assert_refused(ended, "BucketUnusable", "is in eu-west-1, not in us-east-1")
    assert told(cloud) == []


@pytest.mark.parametrize("versions", ["", "Suspended"])
def test_input_bucket_without_versions_is_refused(
    cloud: LocalCloud, commands: Commands, versions: str
) -> None:
    """Another upload could take the place of the one that was analysed."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="my-videos")
    suspended(s3, "my-videos", versions)
    commands.configure(input_bucket="my-videos")

    ended = commands.run("up")

    assert_refused(ended, "BucketUnusable", "put-bucket-versioning --bucket my-videos")
    assert told(cloud) == []


def test_named_bucket_that_is_not_there_is_refused(cloud: LocalCloud, commands: Commands) -> None:
    """A named bucket that does not exist is refused, not created."""
    commands.configure(input_bucket="my-vidoes")

    ended = commands.run("up")

    assert_refused(ended, "BucketUnusable", "There is no bucket my-vidoes")
    assert inventory(cloud) == {}


@pytest.mark.parametrize(
    ("entry", "mend"),
    [
        pytest.param({"input_bucket": "one", "output_bucket": "one"}, "the buckets must differ", id="same"),
        pytest.param({"input_bukcet": "one"}, "there is no setting input_bukcet", id="misspelt"),
        pytest.param({"blur_faces": {"BLUR": "x"}}, "there is no setting BLUR", id="unknown variable"),
        pytest.param({"architecture": "sparc"}, "x86_64 or arm64", id="architecture"),
        pytest.param({"memory_mb": "much"}, "whole number", id="memory"),
        pytest.param({"uploads_per_hour": -1}, "uploads_per_hour must be a whole number", id="negative"),
        pytest.param({"max_pixels": True}, "max_pixels must be a whole number", id="a truth value"),
        pytest.param({"review_days": 0}, "review_days must be over 0", id="no days"),
        pytest.param({"isolated": "yes please"}, "true or false", id="no truth value"),
        pytest.param(
            {"isolated": True, "subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]},
            "isolated makes a VPC of its own",
            id="two VPCs",
        ),
        pytest.param({"subnet_ids": ["subnet-1"]}, "need each other", id="half a VPC"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    cloud: LocalCloud, commands: Commands, entry: dict[str, Any], mend: str
) -> None:
    """Invalid settings are refused before the first call to AWS."""
    commands.configure(**entry)

    ended = commands.run("up")

    assert_refused(ended, "InvalidSettings", mend)
    assert inventory(cloud) == {}


def test_without_a_container_engine_nothing_is_begun(cloud: LocalCloud, commands: Commands) -> None:
    """The image would come after the buckets; the question comes before."""
    ended = commands.run("up", engine="no-such-engine")

    assert_refused(ended, "NoEngine", "make deploy ENGINE=")
    assert inventory(cloud) == {}


@pytest.mark.parametrize("verb", ["build", "push"])
def test_interrupted_image_is_pushed_by_the_next_run(
    cloud: LocalCloud, commands: Commands, tmp_path: Path, verb: str
) -> None:
    """The half-finished deployment answers no event, and the same command finishes it."""
    ended = commands.run("up", engine=engine_that_fails_to(verb, tmp_path))
    told_by_halves = told(cloud)
    again = commands.run("up")

    assert_refused(ended, "ImageNotPushed", "connection reset")
    assert told_by_halves == []
    assert again.code == 0, again.printed
    assert len(told(cloud)) == 1


def test_stack_that_was_rolled_back_is_made_anew(cloud: LocalCloud, commands: Commands) -> None:
    """A stack in ROLLBACK_COMPLETE cannot be changed; the next run deletes it first."""
    logs, group = cloud.client("logs"), f"/aws/lambda/face-blur-{STAGE}-record-failure"
    logs.create_log_group(logGroupName=group)

    ended = commands.run("up")
    left = inventory(cloud)
    logs.delete_log_group(logGroupName=group)
    again = commands.run("up")

    assert_refused(ended, "StackFailed", "ROLLBACK_COMPLETE")
    assert left.keys() == {"cloudformation.describe_stacks", "logs.describe_log_groups"}
    assert again.code == 0, again.printed


def test_failed_pipeline_answers_no_event(cloud: LocalCloud, commands: Commands) -> None:
    """The pipeline is made before S3 is told whom to call."""
    cloud.client("iam").create_role(
        RoleName=f"face-blur-{STAGE}-state-machine", AssumeRolePolicyDocument=json.dumps({"Statement": []})
    )

    ended = commands.run("up")

    assert_refused(ended, "StackFailed", "was rolled back")
    assert told(cloud) == []


def test_new_account_is_told_its_memory_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence; what a stage names is tried, and refused by its sentence too."""
    with LocalCloud(CloudSettings(account_concurrency=10, function_memory_mb=3008)) as account:
        commands = Commands(tmp_path, lambda: capsys.readouterr().out)
        refused = commands.run("up")
        made = inventory(account)
        commands.configure(memory_mb=3538)
        rolled_back = commands.run("up")
        commands.configure(memory_mb=3008)
        deployed = commands.run("up")

    assert_refused(refused, "QuotaTooLow", "set memory_mb: 3008 for dev in deploy/stages.yaml")
    assert made == {}
    assert_refused(rolled_back, "QuotaTooLow", "set memory_mb: 3008 for dev in deploy/stages.yaml")
    assert deployed.code == 0, deployed.printed


def test_permission_that_s3_does_not_see_yet_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 refuses a function right after AddPermission (hashicorp/terraform-provider-aws, issue 19088)."""
    with LocalCloud(CloudSettings(stale_permissions=1)) as slow:
        ended = Commands(tmp_path, lambda: capsys.readouterr().out).run("up")

        assert ended.code == 0, ended.printed
        assert len(told(slow)) == 1


def test_lost_pipeline_is_made_again(cloud: LocalCloud, commands: Commands) -> None:
    """Deploying again restores any missing part."""
    commands.run("up")
    cloud.client("cloudformation").delete_stack(StackName=f"face-blur-{STAGE}-pipeline")
    cloud.client("lambda").delete_function(FunctionName=f"face-blur-{STAGE}-record-failure")

    again = commands.run("up")

    assert again.code == 0, again.printed
    assert "Add record-failure (function)" in again.printed
    assert commands.run("up").printed.count("no change") == 4


def test_stale_record_of_chalice_does_no_harm(cloud: LocalCloud, commands: Commands, tmp_path: Path) -> None:
    """A record of Chalice about a deleted deployment is ignored."""
    record = tmp_path / "staged" / STAGE / ".chalice" / "deployed" / f"{STAGE}.json"
    record.parent.mkdir(parents=True)
    gone = {
        "name": "gone",
        "resource_type": "lambda_function",
        "lambda_arn": "arn:aws:lambda:us-east-1:1:function:gone",
    }
    record.write_text(json.dumps({"resources": [gone], "schema_version": "2.0", "backend": "api"}))

    ended = commands.run("up")

    assert ended.code == 0, ended.printed
    assert len(told(cloud)) == 1


def test_unreadable_settings_are_named(commands: Commands, tmp_path: Path) -> None:
    """The file is named, and no traceback is shown."""
    (tmp_path / "stages.yaml").write_text("dev: [")

    assert_refused(commands.run("up"), "InvalidSettings", "cannot be read")


def test_removing_what_was_never_there_is_no_error(cloud: LocalCloud, commands: Commands) -> None:
    """The way back is safe to repeat as well."""
    ended = commands.run("remove")

    assert ended.code == 0, ended.printed
    assert ended.printed.count("not there") == 3
    assert inventory(cloud) == {}


def test_roles_of_a_deployment_that_broke_off_are_removed(cloud: LocalCloud, commands: Commands) -> None:
    """Chalice makes a function's role first; without its function no record names it."""
    iam, role = cloud.client("iam"), f"face-blur-{STAGE}-face-detection"
    allowed = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=policy)
    iam.create_role(RoleName=f"face-blur-{STAGE}-2-face-detection", AssumeRolePolicyDocument="{}")

    ended = commands.run("remove")

    assert ended.code == 0, ended.printed
    assert f"removed {role}, which no function used" in ended.printed
    assert inventory(cloud) == {"iam.list_roles": [f"face-blur-{STAGE}-2-face-detection"]}


def test_engine_of_the_local_cloud_needs_an_endpoint(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without AWS_ENDPOINT_URL it could push to nowhere."""
    _ = commands
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    import subprocess  # noqa: PLC0415 for this test only

    ended = subprocess.run(
        [sys.executable, "-m", "local_cloud.lambda_service.engine", "push", "x:y"],
        capture_output=True,
        check=False,
    )

    assert ended.returncode == 1
    assert b"make up" in ended.stderr
