"""A redrive after Rekognition's results are gone, and reading on after pages were handed over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.executions import redrive
from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import Fault, Step
from local_cloud.settings import CloudSettings, RekognitionSettings
from tests.clips.portraits import make_portrait_clip, standing
from tests.end_to_end.conftest import ROOT, Pipeline

PREFIX = "face-blur-local-"
KEPT_S = 20
PATIENCE_S = 300


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a deployed system whose Rekognition keeps results for seconds, with one face on each page."""
    settings = CloudSettings(
        retry_delays_s=(0.05,), rekognition=RekognitionSettings(results_kept_s=KEPT_S, page_size=1)
    )
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a video of a second, with a face in both samples."""
    folder = tmp_path_factory.mktemp("clips")
    return make_portrait_clip(folder / "portrait.mp4", standing(1.0)).read_bytes()


def test_redrive_has_a_video_analysed_anew_whose_results_are_gone(pipeline: Pipeline, clip: bytes) -> None:
    """The same request token would give the job that Rekognition has forgotten."""
    cloud, key = pipeline.cloud, "again.mp4"
    asking = Step(PREFIX + "check-rekognition-job-status", "rekognition:GetFaceDetection")
    cloud.faults.watch(key, Fault(key, asking, FaultKind.DETECTION_FORBIDDEN))
    upload = pipeline.put(clip, key)
    failed = pipeline.wait(upload)
    time.sleep(KEPT_S + 1)

    lines = redrive(cloud.client("stepfunctions"), cloud.state_machine_arn, key)
    ended = pipeline.ended(f"{upload.execution_arn}-again-1")

    assert failed.error == "ConfigurationError"
    assert [line.split()[0] for line in lines] == ["started"]
    assert ended["status"] == "SUCCEEDED"
    assert pipeline.read(key) is not None


def test_pages_are_read_on_after_an_error(pipeline: Pipeline, clip: bytes) -> None:
    """The first page is asked for once: the second invocation goes on at the second page."""
    cloud, key = pipeline.cloud, "read on.mp4"
    reading = Step(PREFIX + "get-rekognized-faces", "rekognition:GetFaceDetection", number=1)
    # The client tries twice.
    cloud.faults.watch(key, Fault(key, reading, FaultKind.SERVER_ERROR, attempts=2))

    outcome = pipeline.blur(clip, key)

    assert outcome.status == "SUCCEEDED"
    assert cloud.faults.hits(key) == 2
    assert _calls(cloud, key, PREFIX + "get-rekognized-faces", "rekognition:GetFaceDetection") == 4


def _calls(cloud: LocalCloud, key: str, principal: str, action: str) -> int:
    steps: list[Any] = cloud.faults.steps(key)
    return len([step for step in steps if (step.principal, step.action) == (principal, action)])
