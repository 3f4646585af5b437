"""What a deployed system leaves behind of uploads, good ones and bad: logs, and notes beside the outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Failure, Job, faces_key
from chalicelib.contract.objects import ObjectReference, SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.faults import FOR_EVER, Fault, FaultKind, Step
from local_cloud.sandbox_environment import FUNCTION_SECRET, FUNCTION_TOKEN
from local_cloud.settings import CloudSettings
from tests.end_to_end.conftest import ROOT, Outcome, Pipeline
from tests.portraits import PortraitClip, make_portrait_clip
from tests.remuxing import Extras, with_extras

GROUPS = (("preset", "ultrafast"), ("x264-params", "keyint=4:min-keyint=4:scenecut=0"))
WALK = PortraitClip([(240 + step, 135) for step in range(12)], options=GROUPS)
SHORT = PortraitClip([(240, 135)] * 3)
TAGS = {"title": "Harbour", "comment": "at home", "location": "+53.5403+009.9678/"}
EAGER = {"SEGMENT_WORK_S": "0.001", "SEGMENTS_AT_ONCE": "2", "PRESET": "ultrafast", "ENCODER_THREADS": "1"}
SECRETS = (
    *(FUNCTION_SECRET, FUNCTION_TOKEN, "AWSAccessKeyId", "AWS_SECRET", "AWS_SESSION", "Authorization"),
    *("X-Amz-", "x-amz-security-token", "Credential=", "Signature="),
)
HOSTILE = 'bell\x07 "},"level":"ERROR" \x1b[2J\u202e.mp4'
LONGEST_LINE = 4096
BASE64_OR_HEX = re.compile(r"[A-Za-z0-9+/=]{200}")
# What Lambda itself puts between the words of its REPORT, and its runtime between the lines of a trace.
BLANKS = str.maketrans("", "", "\t\r\n\xa0")


@dataclass(frozen=True)
class Talk:
    """A system that blurred some uploads and failed at others: outcomes by key, all log lines by function."""

    pipeline: Pipeline
    outcomes: dict[str, Outcome]
    refusals: dict[str, str]
    lines: dict[str, list[str]]

    @property
    def all_lines(self) -> list[str]:
        """Return the lines of all functions."""
        return [line for lines in self.lines.values() for line in lines]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """Return what was left of uploads that went well, that are no videos, and that S3 refused."""
    folder = tmp_path_factory.mktemp("clips")
    plain = make_portrait_clip(folder / "plain.mp4", WALK)
    walk = with_extras(plain, folder / "walk.mp4", Extras(tags=TAGS)).read_bytes()
    short = make_portrait_clip(folder / "short.mp4", SHORT).read_bytes()
    letter = b"This is a letter, not a video." * 50
    cut = plain.read_bytes()[:-1000]
    uploads = {"walk.mp4": walk, "short.mp4": short, "cut.mp4": cut}
    uploads |= {"letter.mp4": letter, HOSTILE: short}
    with (
        LocalCloud(CloudSettings(image_concurrency=2, renderer=EAGER)) as cloud,
        ThreadPoolExecutor(8) as pool,
    ):
        cloud.deploy(ROOT)
        pipeline = Pipeline(cloud, folder)
        refused = {name: pool.submit(invoked, cloud, name) for name in ("blur-faces", "record-failure")}
        ended = {key: pool.submit(pipeline.blur, body, key) for key, body in uploads.items()}
        outcomes = {key: one.result() for key, one in ended.items()}
        refusals = {name: one.result() for name, one in refused.items()}
        yield Talk(pipeline, outcomes, refusals, logged(cloud))


def invoked(cloud: LocalCloud, name: str) -> str:
    """Invoke a function whose every read of S3 is cut off; return the error by which it ends."""
    marker, function = f"refused-{name}", f"face-blur-local-{name}"
    step = Step(function, "s3:GetObject")
    cloud.faults.watch(marker, Fault(marker, step, FaultKind.RESET, FOR_EVER))
    source = SourceObject(cloud.buckets.input, f"{marker}\n{HOSTILE}", "v1", "etag", "1", 10)
    job = Job(
        source,
        DetectionProgress(DetectionStatus.SUCCEEDED, "job"),
        Execution("arn", "2026-11-24T12:00:00Z"),
        faces=ObjectReference(cloud.buckets.work, faces_key(source)),
        failure=Failure("NotAVideo", "no video"),
    )
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(job.to_json()))
    with answer["Payload"] as body:
        return str(json.loads(body.read()).get("errorType"))


def logged(cloud: LocalCloud) -> dict[str, list[str]]:
    """Return all lines of all log groups that hold any."""
    logs = cloud.client("logs")
    groups = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
    pages = {name: logs.get_paginator("filter_log_events").paginate(logGroupName=name) for name in groups}
    lines = {
        name: [one["message"] for page in found for one in page["events"]] for name, found in pages.items()
    }
    return {name.rpartition("face-blur-local-")[2]: found for name, found in lines.items() if found}


def output_of(talk: Talk, key: str) -> Path:
    """Return the output of an upload, which must be there."""
    output = talk.outcomes[key].output
    assert output is not None, talk.outcomes[key]
    return output


def test_uploads_ended_in_all_the_ways_that_are_logged(talk: Talk) -> None:
    """Blurred in segments and in one piece; refused by Rekognition, by the renderer and by S3."""
    assert {key: one.error for key, one in talk.outcomes.items()} == {
        "walk.mp4": "",
        "short.mp4": "",
        HOSTILE: "",
        "cut.mp4": "DamagedVideo",
        "letter.mp4": "DetectionFailed",
    }
    assert "segments" in talk.outcomes["walk.mp4"].manifest
    assert "segments" not in talk.outcomes["short.mp4"].manifest
    assert talk.refusals == dict.fromkeys(("blur-faces", "record-failure"), "StorageUnavailable")
    assert talk.lines.keys() >= {
        *("face-detection", "check-rekognition-job-status", "get-rekognized-faces", "record-failure"),
        *("plan-segments", "blur-faces", "assemble-video", "delete-work-objects"),
    }
    assert any("Traceback" in line or "File " in line for line in talk.all_lines)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_log_holds_a_secret_or_a_signature(talk: Talk, secret: str) -> None:
    """Neither those of a function's environment nor what signs a request; traces of errors included."""
    assert [line for line in talk.all_lines if secret.lower() in line.lower()] == []


def test_no_log_holds_pixels(talk: Talk) -> None:
    """Short lines of words; what FFmpeg and its encoders print lands in the same log."""
    assert max(map(len, talk.all_lines)) < LONGEST_LINE
    assert [line for line in talk.all_lines if BASE64_OR_HEX.search(line)] == []
    assert [line for line in talk.all_lines if not line.translate(BLANKS).isprintable()] == []


def test_libraries_print_nothing_of_their_own(talk: Talk) -> None:
    """Each line of the container is Lambda's or the function's; only the errors that end it have a trace."""
    known = ("START ", "END ", "REPORT ", "{", "[ERROR]", "Traceback", "  File ", "    ", "LAMBDA_WARNING")

    container = [talk.lines[name] for name in ("plan-segments", "blur-faces", "assemble-video")]
    assert [line for lines in container for line in lines if not line.startswith(known)] == []


@pytest.mark.parametrize("key", ["walk.mp4", "short.mp4"])
def test_the_output_is_noted_with_its_version_and_execution_only(talk: Talk, key: str) -> None:
    """The one in segments is copied inside of S3: what lay beside the joined video does not come along."""
    cloud, source = talk.pipeline.cloud, talk.outcomes[key].manifest["source"]

    head = cloud.client("s3").head_object(Bucket=cloud.buckets.output, Key=key)

    execution = talk.outcomes[key].manifest["execution"]["id"]
    assert head["Metadata"] == {"source-version": source["version_id"], "execution": execution}
    assert head["ContentType"] == "video/mp4"


@pytest.mark.parametrize("key", ["walk.mp4", "short.mp4"])
def test_the_output_names_no_place_it_came_from(talk: Talk, key: str) -> None:
    """No bucket, key, folder or machine in any byte of it, and no tag but the title."""
    output, cloud = output_of(talk, key), talk.pipeline.cloud
    places: list[Any] = [*vars(cloud.buckets).values(), "walk", "short", "/tmp", "var/", "blurred", "segment"]  # noqa: S108
    names = [str(place).encode() for place in (*places, "executions", "blur-faces-")]

    content = output.read_bytes()

    assert [name for name in names if name in content] == []
    with av.open(str(output)) as container:
        tags = {**container.metadata}
        titles = [dict(stream.metadata) for stream in container.streams]
    assert tags.keys() <= {"title", "encoder", "major_brand", "minor_version", "compatible_brands"}
    assert all(title.keys() <= {"language", "handler_name", "vendor_id", "encoder"} for title in titles)
    assert {title["handler_name"] for title in titles} == {"VideoHandler", "SoundHandler"}
