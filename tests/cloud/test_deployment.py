"""The life of a stage by its commands: dry run, deploy, again, one setting, status, redrive, remove."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Job, SourceObject
from local_cloud.cloud import LocalCloud
from tests.deploying import STAGE, Commands, Ended, bucket, inventory, told
from tests.portraits import make_portrait_clip, standing
from tests.tiny_cloud import TinyCloud, Watch

PATIENCE_S = 60
MACHINE = f"arn:aws:states:us-east-1:123456789012:stateMachine:face-blur-{STAGE}"


@dataclass(frozen=True)
class Life:
    """What each command of one stage's life gave, and what was in the account after it."""

    ended: dict[str, Ended]
    held: dict[str, dict[str, list[str]]]
    outputs: list[str]


class Story:
    """Runs the commands one after the other and keeps what they gave."""

    def __init__(self, cloud: LocalCloud, commands: Commands) -> None:
        self.cloud = cloud
        self.commands = commands
        self.life = Life({}, {}, [])

    def run(self, chapter: str, command: str, *options: str) -> None:
        """Run a command as `chapter`."""
        self.life.ended[chapter] = self.commands.run(command, *options)
        self.life.held[chapter] = inventory(self.cloud)

    def upload(self, key: str, body: bytes) -> None:
        """Upload a video and wait until nothing runs."""
        before = len(self._executions())
        self.cloud.client("s3").put_object(Bucket=bucket("input"), Key=key, Body=body)
        self.wait(before + 1)

    def wait(self, count: int) -> None:
        """Wait until there were `count` executions and all have ended."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            statuses = [one["status"] for one in self._executions()]
            if len(statuses) == count and "RUNNING" not in statuses:
                return
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{count} executions have not ended: {statuses}")
            time.sleep(0.1)

    def _executions(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.cloud.client("stepfunctions").list_executions(
            stateMachineArn=MACHINE
        )["executions"]
        return listed


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Return the life of one stage, from an empty account to an empty account."""
    folder = tmp_path_factory.mktemp("life")
    clip = make_portrait_clip(folder / "portrait.mp4", standing(0.5)).read_bytes()
    printed = io.StringIO()
    with LocalCloud() as cloud, redirect_stdout(printed):
        story = Story(cloud, Commands(folder, lambda: _taken(printed)))
        story.run("dry run", "up", "--dry-run")
        story.run("deploy", "up")
        story.upload("good.mp4", clip)
        story.life.outputs.extend(_keys(cloud, "output"))
        story.run("again", "up")
        story.commands.configure(blur_faces={"CRF": 99})
        story.run("dry run of a setting", "up", "--dry-run")
        story.run("wrong setting", "up")
        story.upload("unlucky.mp4", clip)
        story.upload("letter.mp4", b"Dear Sir or Madam")
        story.run("status", "status")
        story.run("status of one", "status", "--key", "unlucky.mp4")
        story.commands.configure(blur_faces={"CRF": 23})
        story.run("setting", "up")
        story.run("redrive", "redrive")
        story.wait(4)
        story.run("redrive again", "redrive", "--key", "unlucky.mp4")
        story.run("dry removal", "remove", "--dry-run", "--buckets", "delete")
        story.run("remove", "remove")
        story.run("deploy over what was left", "up")
        story.run("remove all", "remove", "--buckets", "delete")
    return story.life


def _taken(printed: io.StringIO) -> str:
    text = printed.getvalue()
    printed.seek(0)
    printed.truncate()
    return text


def _keys(cloud: LocalCloud, part: str) -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket=bucket(part))
    return [one["Key"] for one in listed.get("Contents", [])]


def test_every_command_ends_well(life: Life) -> None:
    """Exit code 0, and no traceback."""
    assert {chapter: ended for chapter, ended in life.ended.items() if ended.code} == {}


def test_dry_run_shows_all_and_makes_nothing(life: Life) -> None:
    """The account is as empty after as it was before."""
    assert "Add BlurFaces (AWS::Lambda::Function)" in life.ended["dry run"].printed
    assert "Add face-detection (function)" in life.ended["dry run"].printed
    assert life.held["dry run"] == {}


def test_upload_comes_out_blurred(life: Life) -> None:
    """The deployed stage does what it is for."""
    assert life.outputs == ["good.mp4", "good.mp4.manifest.json"]


def test_second_deployment_changes_nothing(life: Life) -> None:
    """It says so for each part, and the account holds what it held."""
    assert life.ended["again"].printed.count("no change") == 4
    assert life.held["again"] == life.held["deploy"]


def test_changed_setting_changes_its_function_only(life: Life) -> None:
    """The dry run says it before, the deployment does it."""
    dry, real = life.ended["dry run of a setting"].printed, life.ended["wrong setting"].printed

    assert dry.count("Modify") == real.count("Modify") == 1
    assert "Modify BlurFaces (AWS::Lambda::Function)" in real
    assert dry.count("no change") == real.count("no change") == 3


def test_status_lists_state_source_and_cause(life: Life) -> None:
    """The newest first; a failure with its name and its words."""
    lines = life.ended["status"].printed.splitlines()

    assert [line.split()[0] for line in lines] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert f"s3://{bucket('input')}/letter.mp4  DetectionFailed: " in lines[0]
    assert "unlucky.mp4  ConfigurationError: CRF must be" in lines[1]


def test_status_of_one_upload_lists_no_other(life: Life) -> None:
    """KEY names the upload."""
    [line] = life.ended["status of one"].printed.splitlines()

    assert "unlucky.mp4" in line


def test_redrive_starts_what_failed_and_can_succeed(life: Life) -> None:
    """A video that Rekognition refused has to come again; one that succeeded is left alone."""
    lines = sorted(life.ended["redrive"].printed.splitlines())

    assert [line.split()[0] for line in lines] == ["left", "started"]
    assert "letter.mp4: Rekognition refused this version, upload it again" in lines[0]
    assert "unlucky.mp4" in lines[1]
    assert life.ended["redrive again"].printed == "Nothing has failed for good.\n"


def test_dry_removal_takes_nothing(life: Life) -> None:
    """It says which buckets would go."""
    assert "goes, with all in it" in life.ended["dry removal"].printed
    assert life.held["dry removal"] == life.held["setting"]


def test_removal_leaves_buckets_with_content_and_says_so(life: Life) -> None:
    """Nothing else is left, and the message holds the command that takes them too."""
    assert "make remove STAGE=dev BUCKETS=delete" in life.ended["remove"].printed
    assert life.held["remove"] == {
        "s3.list_buckets": [bucket("input"), bucket("output"), bucket("work")],
    }


def test_left_buckets_are_taken_up_again(life: Life) -> None:
    """A bucket of an earlier life is used as it is, its content kept."""
    assert life.ended["deploy over what was left"].printed.count("used as it is") == 3


def test_account_is_empty_after_all_was_removed(life: Life) -> None:
    """Stacks, functions, roles, buckets, groups, queues, topics, rules, alarms, repositories: none."""
    assert life.held["remove all"] == {}


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
    """Its policy gains one statement and loses it again; it is never deleted."""
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(input_bucket=own_bucket)
    s3 = cloud.client("s3")

    deployed = commands.run("up")
    during = sids(cloud, own_bucket)
    events = s3.get_bucket_notification_configuration(Bucket=own_bucket)["LambdaFunctionConfigurations"]
    removed = commands.run("remove", "--buckets", "delete")

    assert (deployed.code, removed.code) == (0, 0), deployed.printed + removed.printed
    assert during == ["Mine", "FaceBlurTlsOnly"]
    assert len(events) == 3
    assert told_suffixes(cloud, own_bucket) == [".txt"]
    assert sids(cloud, own_bucket) == ["Mine"]
    assert "which is yours" in removed.printed
    assert inventory(cloud) == {
        "iam.list_roles": ["any"],
        "lambda.list_functions": [own_bucket],
        "s3.list_buckets": [own_bucket],
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
    commands = Commands(tmp_path, lambda: capsys.readouterr().out)
    commands.configure(input_bucket="my-videos")

    refused = commands.run("up")

    assert refused.code == 1
    assert "tells somebody else of its videos" in refused.printed
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
    assert still_told == 2
    assert stopped.code == 0, stopped.printed
    assert inventory(cloud) == {}
