"""Real uploads through the deployed system: each ends as a blurred video or as a recorded failure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from blur_container.analysis.face_detector import DetectorSettings, FaceDetector
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from tests.checks.readback import audio_packets, shown_frames, video_times
from tests.clips.portraits import NO_FACE, PortraitClip, make_portrait_clip, standing
from tests.end_to_end.conftest import Outcome, Pipeline
from tests.media.chalicelib.test_movie_lengths import make_bomb


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for clips."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def portrait(folder: Path) -> Path:
    """Return one second of a face, with sound."""
    return make_portrait_clip(folder / "portrait.mp4", standing(1.0))


def faces_in(path: Path) -> int:
    """Return how many faces the detector holds more likely than not, in all frames of `path`."""
    detector = FaceDetector(DetectorSettings(threshold=0.5))
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return sum(len(detector.detect(picture)) for picture in pictures)


def assert_failed(outcome: Outcome, error: str) -> None:
    """Check that a failure is named, recorded, and left no video."""
    assert (outcome.status, outcome.error) == ("FAILED", error)
    assert outcome.manifest["status"] == "FAILED"
    assert outcome.manifest["error"] == error
    assert outcome.manifest["cause"]
    assert outcome.manifest["execution"]["name"]
    assert outcome.output is None


def test_uploaded_face_comes_out_unreadable_in_every_frame(pipeline: Pipeline, portrait: Path) -> None:
    """Same frames at the same times, same sound, and no face that the detector could find."""
    outcome = pipeline.blur(portrait, "portrait.mp4")

    assert outcome.output is not None
    assert faces_in(portrait) >= 25
    assert faces_in(outcome.output) == 0
    assert video_times(outcome.output) == video_times(portrait)
    assert audio_packets(outcome.output) == audio_packets(portrait)


def test_manifest_says_what_was_done(pipeline: Pipeline, portrait: Path) -> None:
    """Source with its version, execution, settings, counts, seconds and bytes of each step."""
    outcome = pipeline.blur(portrait, "manifest.mp4")

    manifest = outcome.manifest
    assert manifest["status"] == "SUCCEEDED"
    assert manifest["source"]["version_id"]
    assert manifest["execution"]["started_at"]
    assert (manifest["frames"], manifest["tracks"]) == (25, 1)
    assert manifest["steps"].keys() == {"download", "render", "verify"}
    assert manifest["code_version"]


@pytest.mark.parametrize(
    "places",
    [
        pytest.param([(10, 135)] * 15, id="left"),
        pytest.param([(470, 135)] * 15, id="right"),
        pytest.param([(240, 25)] * 15, id="top"),
        pytest.param([(240, 230)] * 15, id="bottom"),
        pytest.param([NO_FACE] * 15, id="no face at all"),
        pytest.param([(240, 135)], id="one frame"),
    ],
)
def test_face_at_a_border_or_none_comes_out_whole(
    pipeline: Pipeline, folder: Path, places: list[tuple[int, int]]
) -> None:
    """The video keeps its frames wherever the face is; what was found is gone."""
    clip = make_portrait_clip(folder / "border.mp4", PortraitClip(places))

    outcome = pipeline.blur(clip, "border.mp4")

    assert outcome.output is not None
    assert faces_in(outcome.output) == 0
    assert video_times(outcome.output) == video_times(clip)


def test_video_without_sound_comes_out_without_sound(pipeline: Pipeline, folder: Path) -> None:
    """A video without an audio stream is delivered without one."""
    silent = make_portrait_clip(folder / "silent.mp4", PortraitClip([(240, 135)] * 10, sound=False))

    outcome = pipeline.blur(silent, "silent.mp4")

    assert outcome.output is not None
    assert audio_packets(outcome.output) == []
    assert len(shown_frames(outcome.output)) == 10


@pytest.mark.parametrize(
    "key",
    [
        "my holiday.mp4",
        "a+b.mp4",
        "käse/日本 100%.mp4",
        "CLIP.MP4",
        "deep/er/&=?#'\".mp4",
        "../../etc/passwd.mp4",
        "/at/the/root.mp4",
        '"},"output":{"<script>alert(1)</script>.mp4',
        "bell\x07 and tab\t.mp4",
        "clip.mp4.manifest.json.mp4",
        "k" * 1020 + ".mp4",
    ],
    ids=lambda key: ascii(key)[:30],
)
def test_any_key_comes_out_under_the_same_key(pipeline: Pipeline, folder: Path, key: str) -> None:
    """Spaces, plus signs, unicode, folders and capitals survive the events and the state machine."""
    clip = make_portrait_clip(folder / "key.mp4", PortraitClip([(240, 135)] * 3))

    outcome = pipeline.blur(clip, key)

    assert outcome.status == "SUCCEEDED"
    assert outcome.output is not None
    assert outcome.manifest["source"]["key"] == key


def test_second_upload_under_a_key_is_blurred_too(pipeline: Pipeline, folder: Path) -> None:
    """Two versions are two videos, two executions, and the later one stays."""
    earlier = make_portrait_clip(folder / "earlier.mp4", PortraitClip([(240, 135)] * 5))
    later = make_portrait_clip(folder / "later.mp4", PortraitClip([(240, 135)] * 9))
    first_outcome = pipeline.blur(earlier, "twice.mp4")

    second_outcome = pipeline.blur(later, "twice.mp4")

    assert first_outcome.manifest["frames"] == 5
    assert second_outcome.manifest["frames"] == 9
    assert second_outcome.output is not None
    assert len(shown_frames(second_outcome.output)) == 9


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"", "EmptyObject", id="empty"),
        pytest.param(b"This is a letter, not a video." * 50, "NotAVideo", id="not a video"),
    ],
)
def test_bytes_that_are_no_video_end_in_a_recorded_failure(
    pipeline: Pipeline, content: bytes, error: str
) -> None:
    """The manifest stands where the output would have been."""
    outcome = pipeline.blur(content, f"{error}.mp4")

    assert_failed(outcome, error)


def test_truncated_video_ends_in_a_recorded_failure(pipeline: Pipeline, folder: Path) -> None:
    """A truncated video fails, although its first half decodes."""
    noisy = PortraitClip([(40 + 7 * step, 135) for step in range(50)])
    clip = make_portrait_clip(folder / "whole.mp4", noisy).read_bytes()

    outcome = pipeline.blur(clip[: len(clip) * 2 // 3], "truncated.mp4")

    assert_failed(outcome, "DamagedVideo")


def test_codec_that_rekognition_does_not_take_ends_in_a_recorded_failure(
    pipeline: Pipeline, folder: Path
) -> None:
    """The job ends as FAILED; Rekognition's own words are in the manifest."""
    clip = PortraitClip([(240, 135)] * 5, codec="mpeg4", options=())
    path = make_portrait_clip(folder / "mpeg4.mp4", clip)

    outcome = pipeline.blur(path, "mpeg4.mp4")

    assert_failed(outcome, "DetectionFailed")
    assert "Unsupported codec/format" in outcome.manifest["cause"]


def test_audio_without_video_ends_in_a_recorded_failure(pipeline: Pipeline, folder: Path) -> None:
    """A file with audio only fails with a recorded failure."""
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    outcome = pipeline.blur(path, "sound.mp4")

    assert_failed(outcome, "NoVideoStream")


def test_video_over_six_hours_is_refused_before_it_is_paid_for(pipeline: Pipeline, folder: Path) -> None:
    """Half a megabyte of black frames: no Rekognition job is started, and the failure names both numbers."""
    upload = pipeline.put(make_bomb(folder / "bomb.mp4", 6 * 3600 + 1), "bomb.mp4")

    outcome = pipeline.wait(upload)

    assert_failed(outcome, "VideoTooLarge")
    assert pipeline.report(upload)["detection_job"] is None
    assert "is 21601 s long; the limit MAX_DURATION_S is 21600" in outcome.manifest["cause"]


def test_twenty_uploads_at_once_all_come_out_and_none_twice(pipeline: Pipeline, folder: Path) -> None:
    """Every event comes twice, and Rekognition refuses one's job for now: twenty executions and outputs."""
    clip = make_portrait_clip(folder / "short.mp4", PortraitClip([(240, 135)] * 5))
    before = set(pipeline.executions())
    refused = "storm/0.mp4"
    asking = Step("face-blur-local-face-detection", "rekognition:StartFaceDetection", 0, "StartFaceDetection")
    pipeline.cloud.faults.watch(refused, Fault(refused, asking, FaultKind.OVER_QUOTA, FOR_EVER))

    with ThreadPoolExecutor(20) as threads:
        uploads = list(threads.map(lambda number: pipeline.put(clip, f"storm/{number}.mp4"), range(20)))
    outcomes = [pipeline.wait(upload) for upload in uploads]

    assert [outcome.status for outcome in outcomes] == ["SUCCEEDED"] * 20
    assert all(outcome.output for outcome in outcomes)
    assert len(set(pipeline.executions()) - before) == 20
    assert pipeline.cloud.lost_events == []
    assert pipeline.cloud.faults.hits(refused) > 0
    assert "Start face detection" in pipeline.states(uploads[0])


def test_what_is_no_video_by_its_suffix_starts_nothing(pipeline: Pipeline, portrait: Path) -> None:
    """Directories and other files are none of our business."""
    s3, bucket = pipeline.cloud.client("s3"), pipeline.cloud.buckets.input
    before = pipeline.executions()

    s3.put_object(Bucket=bucket, Key="folder.mp4/", Body=b"")
    s3.put_object(Bucket=bucket, Key="notes.txt", Body=b"text")
    s3.put_object(Bucket=bucket, Key="clip.move", Body=portrait.read_bytes())
    marker = pipeline.blur(portrait, "marker.mp4")

    assert marker.status == "SUCCEEDED"
    assert len(pipeline.executions()) == len(before) + 1


def test_before_and_after_look_alike_outside_the_face(pipeline: Pipeline, portrait: Path) -> None:
    """Outside the face the output differs from the source by the encoder's error only."""
    outcome = pipeline.blur(portrait, "outside.mp4")

    assert outcome.output is not None
    pairs = zip(shown_frames(portrait), shown_frames(outcome.output), strict=True)
    corners = [cv2.absdiff(old.luma[:40, :100], fresh.luma[:40, :100]).max() for old, fresh in pairs]
    assert max(corners) <= 3
