"""The life of a stage by its commands: dry run, deploy, again, one setting, status, redrive, remove."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.names import PARTS
from local_cloud.cloud import LocalCloud
from tests.clips.portraits import PortraitClip, make_portrait_clip, standing
from tests.clouds.deploy_commands import MACHINE, STAGE, Commands, Ended, bucket, inventory

PATIENCE_S = 600


@dataclass(frozen=True)
class Life:
    """What each command of one stage's life gave, and what was in the account after it."""

    ended: dict[str, Ended]
    held: dict[str, dict[str, list[str]]]
    outputs: list[str]
    versions: list[object]
    kept_policies: list[str]


class Story:
    """Runs the commands one after the other and keeps what they gave."""

    def __init__(self, cloud: LocalCloud, commands: Commands) -> None:
        self.cloud = cloud
        self.commands = commands
        self.life = Life({}, {}, [], [], [])

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
    codec = PortraitClip([(240, 135)] * 5, codec="mpeg4", options=())
    old = make_portrait_clip(folder / "mpeg4.mp4", codec).read_bytes()
    printed = io.StringIO()
    with LocalCloud() as cloud, redirect_stdout(printed):
        story = Story(cloud, Commands(folder, lambda: _taken(printed)))
        # What Rekognition cannot analyse fails.
        story.commands.configure(detection="rekognition")
        story.run("dry run", "up", "--dry-run")
        story.run("deploy", "up")
        story.upload("good.mp4", clip)
        story.life.outputs.extend(_keys(cloud, "output"))
        story.life.versions.extend(_versions(cloud))
        story.run("again", "up")
        story.commands.configure(detection="rekognition", blur_faces={"CRF": 99})
        story.run("dry run of a setting", "up", "--dry-run")
        story.run("wrong setting", "up")
        story.upload("unlucky.mp4", clip)
        story.upload("old.mp4", old)
        story.run("status", "status")
        story.run("status of one", "status", "--key", "unlucky.mp4")
        story.commands.configure(detection="rekognition", blur_faces={"CRF": 23})
        story.run("setting", "up")
        story.run("redrive", "redrive")
        story.wait(5)
        story.run("redrive again", "redrive", "--key", "unlucky.mp4")
        story.run("replay", "replay")
        story.run("dry removal", "remove", "--dry-run", "--buckets", "delete")
        story.run("remove", "remove")
        story.life.kept_policies.extend(_policies(cloud))
        story.run("deploy over what was left", "up")
        story.run("remove all", "remove", "--buckets", "delete")
    return story.life


def _taken(printed: io.StringIO) -> str:
    text = printed.getvalue()
    printed.seek(0)
    printed.truncate()
    return text


def _versions(cloud: LocalCloud) -> Iterator[object]:
    """Yield the tag of the image, and the code version that the manifest and the renderer's log tell."""
    [image] = cloud.client("ecr").describe_images(repositoryName=f"face-blur-{STAGE}")["imageDetails"]
    yield image["imageTags"][0]
    answer = cloud.client("s3").get_object(Bucket=bucket("output"), Key="good.mp4.manifest.json")
    yield json.loads(answer["Body"].read())["code_version"]
    group = f"/aws/lambda/face-blur-{STAGE}-blur-faces"
    lines = cloud.client("logs").filter_log_events(logGroupName=group)["events"]
    yield from {json.loads(one["message"])["code_version"] for one in lines if one["message"].startswith("{")}


def _policies(cloud: LocalCloud) -> Iterator[str]:
    """Yield the policy of each of the stage's buckets."""
    for part in PARTS:
        yield cloud.client("s3").get_bucket_policy(Bucket=bucket(part))["Policy"]


def _keys(cloud: LocalCloud, part: str) -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket=bucket(part))
    return [one["Key"] for one in listed.get("Contents", [])]


def test_every_command_ends_well(life: Life) -> None:
    """Every command ends with exit code 0 and prints no traceback."""
    assert {chapter: ended for chapter, ended in life.ended.items() if ended.code} == {}


def test_dry_run_shows_all_and_makes_nothing(life: Life) -> None:
    """The account is as empty after as it was before."""
    assert "Add BlurFaces (AWS::Lambda::Function)" in life.ended["dry run"].printed
    assert "Add face-detection (function)" in life.ended["dry run"].printed
    assert life.held["dry run"] == {}


def test_upload_comes_out_blurred(life: Life) -> None:
    """The deployed stage does what it is for."""
    assert life.outputs == ["good.mp4", "good.mp4.manifest.json"]


def test_code_version_is_the_images_tag_everywhere(life: Life) -> None:
    """The manifest and every log line of the renderer contain the image's tag as code version."""
    [tag, *told] = life.versions

    assert len(told) == 2
    assert set(told) == {tag}


def test_second_deployment_changes_nothing(life: Life) -> None:
    """A second deployment reports each part as unchanged, and the account's content is the same."""
    assert life.ended["again"].printed.count("no change") == 4
    assert life.held["again"] == life.held["deploy"]


def test_changed_setting_changes_its_functions_only(life: Life) -> None:
    """The dry run says it before, the deployment does it: a setting is that of all who render together."""
    dry, real = life.ended["dry run of a setting"].printed, life.ended["wrong setting"].printed

    assert dry.count("Modify") == real.count("Modify") == 3
    assert "Modify BlurFaces (AWS::Lambda::Function)" in real
    assert dry.count("no change") == real.count("no change") == 3


def test_status_lists_state_source_and_cause(life: Life) -> None:
    """The newest first; a failure with its name and its words."""
    lines = life.ended["status"].printed.splitlines()

    assert [line.split()[0] for line in lines] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert f"s3://{bucket('input')}/old.mp4  DetectionFailed: " in lines[0]
    assert "unlucky.mp4  ConfigurationError: CRF must be" in lines[1]


def test_status_of_one_upload_lists_no_other(life: Life) -> None:
    """`make status KEY=...` lists the named upload only."""
    [line] = life.ended["status of one"].printed.splitlines()

    assert "unlucky.mp4" in line


def test_redrive_starts_what_failed_and_can_succeed(life: Life) -> None:
    """Every upload whose executions all failed is started; one that succeeded is left alone."""
    lines = sorted(life.ended["redrive"].printed.splitlines())

    assert [line.split()[0] for line in lines] == ["started", "started"]
    assert ["old.mp4" in lines[0], "unlucky.mp4" in lines[1]] == [True, True]
    assert life.ended["redrive again"].printed == "No permanently failed executions.\n"


def test_replay_says_that_nothing_was_lost(life: Life) -> None:
    """`make replay` reports that there are no lost events."""
    assert life.ended["replay"].printed == "No lost events.\n"


def test_dry_removal_takes_nothing(life: Life) -> None:
    """A dry removal lists the buckets and removes nothing."""
    assert "goes, with all in it" in life.ended["dry removal"].printed
    assert life.held["dry removal"] == life.held["setting"]


def test_removal_leaves_buckets_with_content_and_says_so(life: Life) -> None:
    """Removal keeps buckets with content only, and prints the command that removes them too."""
    assert "make remove STAGE=dev BUCKETS=delete" in life.ended["remove"].printed
    assert life.held["remove"] == {
        "s3.list_buckets": [bucket("input"), bucket("output"), bucket("work")],
    }


def test_buckets_that_are_left_go_on_refusing_plain_http(life: Life) -> None:
    """The policy of a bucket stays as long as its videos do."""
    assert len(life.kept_policies) == len(PARTS)
    assert all('"aws:SecureTransport": "false"' in policy for policy in life.kept_policies)


def test_left_buckets_are_taken_up_again(life: Life) -> None:
    """A bucket of an earlier life is used as it is, its content kept."""
    assert life.ended["deploy over what was left"].printed.count("used as it is") == 3


def test_account_is_empty_after_all_was_removed(life: Life) -> None:
    """Stacks, functions, roles, buckets, groups, queues, topics, rules, alarms, repositories: none."""
    assert life.held["remove all"] == {}
