"""A stage with things of the user's own: buckets, a key, running executions, another architecture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Job
from chalicelib.contract.objects import SourceObject
from deploy.names import INTAKE_FUNCTIONS
from local_cloud.cloud import LocalCloud
from tests.clouds.deploy_commands import MACHINE, STAGE, Commands, bucket, inventory, told
from tests.clouds.tiny import TinyCloud, Watch


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return an empty cloud."""
    with LocalCloud() as opened:
        yield opened


@pytest.fixture
def tiny(cloud: LocalCloud, tmp_path: Path) -> TinyCloud:
    """Return the cloud with a function of the bucket owner's."""
    return TinyCloud(cloud, tmp_path)


@pytest.fixture
def own_bucket(cloud: LocalCloud, tiny: TinyCloud) -> str:
    """Return a bucket that was there before, with a policy and a notification of its owner's."""
    s3, name = cloud.client("s3"), "my-videos"
    tiny.watched_bucket(name, Watch(suffix=".txt"))
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    statement = {"Sid": "Mine", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{name}/*"}]}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    return name


def sids(cloud: LocalCloud, name: str) -> list[str]:
    """Return the statements of the bucket's policy."""
    policy = json.loads(cloud.client("s3").get_bucket_policy(Bucket=name)["Policy"])
    return [statement["Sid"] for statement in policy["Statement"]]


def test_own_bucket_keeps_what_it_had(
    cloud: LocalCloud, own_bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's own bucket gains one policy statement, loses it on removal, and is never deleted.

    The command reports a work bucket without an expiry rule, but does not change its lifecycle.
    """
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(input_bucket=own_bucket, work_bucket="my-work")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="my-work")

    deployed = commands.run("up")
    during = sids(cloud, own_bucket)
    told = s3.get_bucket_notification_configuration(Bucket=own_bucket)
    removed = commands.run("remove", "--buckets", "delete")

    assert (deployed.code, removed.code) == (0, 0), deployed.printed + removed.printed
    assert "s3://my-work has no rule by which executions/ expires" in deployed.printed
    assert "s3://my-videos has no whole Public Access Block" in deployed.printed
    assert during == ["Mine", "FaceBlurTlsOnly"]
    assert len(told["LambdaFunctionConfigurations"]) == 2
    assert "EventBridgeConfiguration" in told
    assert told_suffixes(cloud, own_bucket) == [".txt"]
    assert sids(cloud, own_bucket) == ["Mine"]
    assert "which is yours" in removed.printed
    assert inventory(cloud) == {
        "iam.list_roles": ["any"],
        "lambda.list_functions": [own_bucket],
        "s3.list_buckets": [own_bucket, "my-work"],
    }


def told_suffixes(cloud: LocalCloud, name: str) -> list[str]:
    """Return the suffixes that the bucket tells somebody of."""
    answer = cloud.client("s3").get_bucket_notification_configuration(Bucket=name)
    told_of = answer.get("LambdaFunctionConfigurations", [])
    return [one["Filter"]["Key"]["FilterRules"][0]["Value"] for one in told_of]


def test_own_bucket_that_tells_another_of_its_videos_is_refused(
    cloud: LocalCloud, tiny: TinyCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 takes one notification for each upload; that of the owner stays."""
    tiny.watched_bucket("my-videos", Watch(suffix="4"))
    cloud.client("s3").put_bucket_versioning(
        Bucket="my-videos", VersioningConfiguration={"Status": "Enabled"}
    )
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(input_bucket="my-videos")

    refused = commands.run("up")

    assert refused.code == 1
    assert "sends the events of its videos to another receiver" in refused.printed
    assert told_suffixes(cloud, "my-videos") == ["4"]
    assert "cloudformation.describe_stacks" not in inventory(cloud)


def test_options_of_a_stage_reach_its_resources(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Key, architecture, memory, address and a setting of the renderer."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    commands.configure(
        kms_key_arn=key,
        architecture="arm64",
        memory_mb=2048,
        notification_email="me@example.com",
        blur_faces={"BLUR_STYLE": "solid"},
    )

    ended = commands.run("up")

    assert ended.code == 0, ended.printed
    configured = cloud.client("lambda").get_function_configuration
    renderer, light = (
        configured(FunctionName=f"face-blur-{STAGE}-{n}") for n in ("blur-faces", "record-failure")
    )
    assert (renderer["MemorySize"], renderer["Architectures"], light["Architectures"]) == (
        2048,
        ["arm64"],
        ["arm64"],
    )
    assert renderer["Environment"]["Variables"]["BLUR_STYLE"] == "solid"
    encryption = cloud.client("s3").get_bucket_encryption(Bucket=bucket("output"))
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert rule == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert [one["Endpoint"] for one in cloud.client("sns").list_subscriptions()["Subscriptions"]] == [
        "me@example.com"
    ]
    policies = [
        cloud.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        for role in (f"face-blur-{STAGE}-blur-faces", f"face-blur-{STAGE}-record-failure")
        for name in cloud.client("iam").list_role_policies(RoleName=role)["PolicyNames"]
    ]
    assert all(statements[-1]["Resource"] == key for statements in policies)


def test_running_executions_are_not_cut_off(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removal waits for them, or stops them where it is told to."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.run("up")
    source = SourceObject("a-bucket", "a.mp4", "v", "e", "1", 1)
    waiting = Job(source, DetectionProgress(DetectionStatus.IN_PROGRESS, "a-job", wait_s=60))
    cloud.client("stepfunctions").start_execution(
        stateMachineArn=MACHINE, name="waiting", input=json.dumps(waiting.to_json())
    )

    refused = commands.run("remove")
    still_told = len(told(cloud))
    stopped = commands.run("remove", "--running", "stop")

    assert refused.code == 1
    assert "1 executions are running" in refused.printed
    assert still_told == 1
    assert stopped.code == 0, stopped.printed
    assert inventory(cloud) == {}


def vpcs(cloud: LocalCloud) -> list[str]:
    """Return the VPCs that the account did not have from the beginning."""
    every = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])
    return [one["VpcId"] for one in every["Vpcs"]]


def test_isolated_stage_reaches_s3_and_nothing_else(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two subnets, one endpoint, no gateway; and it goes again with the stage."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(isolated=True)
    ec2 = cloud.client("ec2")

    deployed = commands.run("up")
    [vpc] = vpcs(cloud)
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = {one["SubnetId"] for one in ec2.describe_subnets(Filters=inside)["Subnets"]}
    routes = [
        one for table in ec2.describe_route_tables(Filters=inside)["RouteTables"] for one in table["Routes"]
    ]
    [endpoint] = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
    renderer = cloud.client("lambda").get_function_configuration(FunctionName=f"face-blur-{STAGE}-blur-faces")
    again = commands.run("up")
    removed = commands.run("remove")

    assert (deployed.code, removed.code) == (0, 0), deployed.printed + removed.printed
    assert "a VPC without a way out, in us-east-1" in deployed.printed
    assert set(renderer["VpcConfig"]["SubnetIds"]) == subnets
    assert {one.get("GatewayId", "local") for one in routes} <= {"local", endpoint["VpcEndpointId"]}
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert again.printed.count("no change") == 4
    assert "up to 40 minutes" in removed.printed
    assert (vpcs(cloud), inventory(cloud)) == ([], {})


def test_stage_that_is_isolated_no_longer_has_no_vpc(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The setting is taken back as it was given."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(isolated=True)
    commands.run("up")
    commands.configure()

    ended = commands.run("up")

    assert ended.code == 0, ended.printed
    assert vpcs(cloud) == []


def test_limits_of_a_stage_reach_the_functions_that_start_detections(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Limits reach the intake functions only; the alarm on minutes and the expiry of reviews are set."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(max_duration_s=600, uploads_per_hour=20, rekognition_minutes_a_day=90, review_days=5)

    ended = commands.run("up")

    assert ended.code == 0, ended.printed
    variables = {
        one["FunctionName"]: one["Environment"]["Variables"]
        for one in cloud.client("lambda").list_functions()["Functions"]
    }
    limits = {"MAX_DURATION_S": "600", "MAX_PIXELS": "33177600", "UPLOADS_PER_HOUR": "20"}
    told_limits = {name for name, has in variables.items() if limits.items() <= has.items()}
    assert told_limits == {f"face-blur-{STAGE}-{name}" for name in INTAKE_FUNCTIONS}
    assert all("INPUT_BUCKET" in variables[name] for name in told_limits)
    alarms = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [one["Threshold"] for one in alarms if one["MetricName"] == "RekognitionMinutes"] == [90.0]
    assert len(cloud.client("logs").describe_metric_filters()["metricFilters"]) == len(INTAKE_FUNCTIONS)
    rules = cloud.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket("work"))["Rules"]
    assert [one["Expiration"] for one in rules if one["ID"] == "expire-reviews"] == [{"Days": 5}]


def test_chalices_own_commands_work_in_the_staged_app(
    cloud: LocalCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a deployment that changed nothing, too: the record is there."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.run("up")
    commands.run("up")
    chalice = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"]

    invoked = subprocess.run(
        [
            *chalice,
            "--project-dir",
            str(tmp_path / "staged" / STAGE),
            "invoke",
            "--stage",
            STAGE,
            "-n",
            "face-detection",
        ],
        env={**os.environ, **cloud.environment},
        input='{"Event": "s3:TestEvent"}',
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(invoked.stdout) == {"records": 0, "executions": []}, invoked.stderr
