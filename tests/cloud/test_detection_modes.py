"""The detectors of a stage, in a deployed cloud: what Rekognition cannot analyse, the container does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from chalicelib.contract.faces import Box
from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from local_cloud.settings import CloudSettings
from tests.checks.readback import detail, shown_frames
from tests.clips.portraits import SIZE, PortraitClip, make_portrait_clip
from tests.clouds.short_retries import shorten_retries
from tests.end_to_end.conftest import ROOT, Outcome, Pipeline

PLACES = [(200 + 3 * step, 135) for step in range(24)]
CLIP = PortraitClip(PLACES)
HEVC = replace(CLIP, codec="libx265", options=(("preset", "ultrafast"), ("x265-params", "log-level=error")))
FAST = {"PRESET": "ultrafast", "ENCODER_THREADS": "1"}
ASKING = Step(
    "face-blur-local-check-rekognition-job-status", "rekognition:GetFaceDetection", 0, "GetFaceDetection"
)
# The eyes, nose and mouth, in pixels around a place; the clip has a detail of 16 and more there.
FACE_PX = (40, 50)
GONE = 6.0


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a system with both detectors."""
    yield from deployed("both", tmp_path_factory)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a system with the container's detector alone."""
    yield from deployed("container", tmp_path_factory)


def deployed(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Yield a system with the detectors of `mode`, whose state machine retries soon."""
    settings = CloudSettings(detection=mode, retry_delays_s=(0.05,), renderer=FAST)
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        shorten_retries(cloud, 2)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


def detail_left(path: Path) -> float:
    """Return the most detail in the face of any frame of `path`, which must have all frames."""
    width, height = SIZE
    (face_width, face_height), frames = FACE_PX, shown_frames(path)
    boxes = (
        Box(
            (x - face_width / 2) / width,
            (y - face_height / 2) / height,
            face_width / width,
            face_height / height,
        )
        for x, y in PLACES
    )
    return max(detail(frame.luma, box) for frame, box in zip(frames, boxes, strict=True))


def covered(outcome: Outcome) -> dict[str, Any]:
    """Return the manifest's `detection` of an outcome that must be a video without a face."""
    assert (outcome.status, outcome.error) == ("SUCCEEDED", ""), outcome
    assert outcome.output is not None
    assert detail_left(outcome.output) < GONE
    found: dict[str, Any] = outcome.manifest["detection"]
    return found


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
    assert outcome.manifest["detections"] > 0


def test_a_codec_that_rekognition_cannot_read_is_no_failure(both: Pipeline, tmp_path: Path) -> None:
    """The job fails, and the container's detector goes on alone."""
    outcome = both.blur(make_portrait_clip(tmp_path / "clip.mp4", HEVC), "hevc.mp4")

    assert reason(outcome) == "DetectionFailed"


def test_another_container_format_is_no_failure(both: Pipeline, tmp_path: Path) -> None:
    """A Matroska file by the name of .mp4 is never sent to Rekognition."""
    source, target = make_portrait_clip(tmp_path / "clip.mp4", CLIP), tmp_path / "clip.mkv"
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                written.mux(packet)

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


def test_the_container_alone_makes_no_call_of_rekognition(alone: Pipeline, tmp_path: Path) -> None:
    """Its account may have no such service."""
    outcome = alone.blur(make_portrait_clip(tmp_path / "clip.mp4", CLIP), "clip.mp4")

    assert covered(outcome) == {"mode": "container"}
    assert outcome.manifest["detections"] == 0
    assert not [call for call in alone.cloud.calls() if call.action.startswith("rekognition:")]
