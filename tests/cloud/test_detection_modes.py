"""Both detectors, in a deployed cloud: what Rekognition cannot analyse, the container does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from tests.clips.portraits import make_portrait_clip
from tests.clips.remuxed import remuxed
from tests.clouds.detection_modes import CLIP, GONE, covered, deployed, detail_left
from tests.end_to_end.conftest import Outcome, Pipeline

HEVC = replace(CLIP, codec="libx265", options=(("preset", "ultrafast"), ("x265-params", "log-level=error")))
ASKING = Step(
    "face-blur-local-check-rekognition-job-status", "rekognition:GetFaceDetection", 0, "GetFaceDetection"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a system with both detectors."""
    yield from deployed("both", tmp_path_factory)


def reason(outcome: Outcome) -> str:
    """Return why Rekognition was left out, after a check that the video is covered."""
    return str(covered(outcome)["rekognition_skipped"]["error"])


def test_the_face_is_seen_in_the_source(tmp_path: Path) -> None:
    """The measure of the tests below tells a face from a blur."""
    assert detail_left(make_portrait_clip(tmp_path / "clip.mp4", CLIP)) > 2 * GONE


def test_both_detectors_find_faces(both: Pipeline, tmp_path: Path) -> None:
    """Rekognition is asked, and nothing was left out."""
    outcome = both.blur(make_portrait_clip(tmp_path / "clip.mp4", CLIP), "plain.mp4")

    assert covered(outcome) == {"mode": "both"}
    assert outcome.manifest["cost_estimate_usd"]["rekognition"] > 0
    assert outcome.manifest["detections"] > 0


def test_a_codec_that_rekognition_cannot_read_is_no_failure(both: Pipeline, tmp_path: Path) -> None:
    """The job fails, and the container's detector goes on alone."""
    outcome = both.blur(make_portrait_clip(tmp_path / "clip.mp4", HEVC), "hevc.mp4")

    assert reason(outcome) == "DetectionFailed"


def test_another_container_format_is_no_failure(both: Pipeline, tmp_path: Path) -> None:
    """A Matroska file by the name of .mp4 is never sent to Rekognition."""
    plain = make_portrait_clip(tmp_path / "clip.mp4", CLIP)
    target = remuxed(plain, tmp_path / "clip.mkv")

    assert reason(both.blur(target, "matroska.mp4")) == "NotAVideo"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DETECTION_OVER_RATE, "RekognitionLimited"),
        (FaultKind.SERVER_ERROR, "RekognitionUnavailable"),
        (FaultKind.JOB_FAILED, "DetectionFailed"),
    ],
)
def test_an_upload_is_blurred_without_rekognition(
    both: Pipeline, tmp_path: Path, kind: FaultKind, error: str
) -> None:
    """Limited, gone or failed: after the last try the container goes on."""
    name = kind.name.lower().replace("_", "-")
    both.cloud.faults.watch(name, Fault(name, ASKING, kind, FOR_EVER))

    outcome = both.blur(make_portrait_clip(tmp_path / "clip.mp4", CLIP), f"{name}.mp4")

    assert reason(outcome) == error


def test_a_failure_of_both_is_one_failure_with_both_causes(both: Pipeline) -> None:
    """A text is no video for anybody."""
    outcome = both.blur(b"Dear Sir or Madam, " * 100, "letter.mp4")

    assert (outcome.status, outcome.error, outcome.output) == ("FAILED", "NotAVideo", None)
    assert outcome.manifest["error"] == "NotAVideo"
    assert outcome.manifest["detection"]["rekognition_skipped"]["error"] == "NotAVideo"
