"""The detectors of a stage: with both, the container's goes on where Rekognition cannot."""

import io
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.admission import start_detection
from chalicelib.contract.errors import (
    ConfigurationError,
    DetectionFailed,
    DetectionRefused,
    FaceBlurError,
    InvalidDocument,
    NotAVideo,
    RekognitionLimited,
    VideoTooLarge,
)
from chalicelib.contract.job import (
    DetectionMode,
    DetectionProgress,
    DetectionStatus,
    Execution,
    Failure,
    Job,
)
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import SourceObject
from chalicelib.faces_store import store_faces
from chalicelib.rekognition import LONGEST_DETECTION_S, FaceDetectionJobs, check_detection
from chalicelib.settings import VideoLimits, detection_mode
from tests.checks.fake_clock import FakeClock
from tests.checks.scripted_rekognition import ScriptedRekognition, make_error
from tests.clips.mp4_boxes import movie

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
FILM = movie()
MATROSKA = b"\x1a\x45\xdf\xa3" + bytes(200)
EVERY = list(DetectionMode)


class FakeS3:
    """A bucket with one object, which keeps nothing."""

    def __init__(self, content: bytes = FILM) -> None:
        self._content = content

    def get_object(self, *, Range: str, **_: str) -> dict[str, Any]:  # noqa: N803 boto3's word
        """Return a range of the object."""
        begin, end = (int(place) for place in Range.removeprefix("bytes=").split("-"))
        content = self._content[begin : end + 1]
        told = f"bytes {begin}-{begin + len(content) - 1}/{len(self._content)}"
        return {"Body": io.BytesIO(content), "ContentRange": told}


def make_job(mode: DetectionMode, content: bytes = FILM, age: timedelta = timedelta()) -> Job:
    """Return a job of an execution that is so old."""
    source = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", len(content))
    progress = DetectionProgress(DetectionStatus.NOT_STARTED, mode=mode)
    begun = Execution("arn:e", (NOW - age).isoformat().replace("+00:00", "Z"))
    return Job(source, progress, execution=begun)


def running(mode: DetectionMode, waited_s: int = 0) -> Job:
    """Return a job whose Rekognition job runs, and was waited for so long."""
    progress = DetectionProgress(DetectionStatus.IN_PROGRESS, "j", waited_s=waited_s, mode=mode)
    return make_job(mode).with_detection(progress)


def started(job: Job, rekognition: ScriptedRekognition, content: bytes = FILM) -> Job:
    """Return `job` after start-face-detection."""
    jobs, log = FaceDetectionJobs(rekognition), EventLog("start-face-detection", io.StringIO())
    return start_detection(job, jobs, FakeS3(content), VideoLimits(max_duration_s=600), NOW, log)


def test_the_container_alone_never_calls_rekognition() -> None:
    """Its stage has no permission to, and its account may have no such service."""
    rekognition = ScriptedRekognition({"JobId": "j"})

    job = started(make_job(DetectionMode.CONTAINER), rekognition)

    assert (job.detection.status, job.detection.skipped) == (DetectionStatus.CONTAINER_ONLY, None)
    assert rekognition.requests == []


@pytest.mark.parametrize("mode", [DetectionMode.BOTH, DetectionMode.REKOGNITION])
def test_rekognition_is_asked_where_it_is_wanted(mode: DetectionMode) -> None:
    """The mode stays with the job."""
    job = started(make_job(mode), ScriptedRekognition({"JobId": "j"}))

    assert job.detection == DetectionProgress(DetectionStatus.IN_PROGRESS, "j", mode=mode)


@pytest.mark.parametrize("mode", EVERY)
def test_a_video_over_a_limit_of_the_stage_is_refused_in_every_mode(mode: DetectionMode) -> None:
    """The container's time costs money too."""
    limits = VideoLimits(max_pixels=1)
    jobs, log = FaceDetectionJobs(ScriptedRekognition({"JobId": "j"})), EventLog("x", io.StringIO())

    with pytest.raises(VideoTooLarge):
        start_detection(make_job(mode), jobs, FakeS3(), limits, NOW, log)


@pytest.mark.parametrize("mode", [DetectionMode.BOTH, DetectionMode.CONTAINER])
def test_another_container_format_is_left_to_the_container(mode: DetectionMode) -> None:
    """Rekognition takes MP4 and MOV only; plan-segments opens the file."""
    rekognition = ScriptedRekognition({"JobId": "j"})

    job = started(make_job(mode, MATROSKA), rekognition, MATROSKA)

    assert (job.detection.status, rekognition.requests) == (DetectionStatus.CONTAINER_ONLY, [])
    assert job.detection.skipped is not None
    assert job.detection.skipped.error == "NotAVideo"


def test_another_container_format_is_refused_where_rekognition_alone_is_wanted() -> None:
    """What a detection of it would cost cannot be told."""
    with pytest.raises(NotAVideo):
        started(make_job(DetectionMode.REKOGNITION, MATROSKA), ScriptedRekognition({}), MATROSKA)


def test_a_video_that_rekognition_refuses_is_left_to_the_container() -> None:
    """Its quotas, formats and sizes are narrower than the renderer's."""
    job = started(make_job(DetectionMode.BOTH), ScriptedRekognition(make_error("VideoTooLargeException")))

    assert job.detection.status is DetectionStatus.CONTAINER_ONLY
    assert job.detection.skipped is not None
    assert job.detection.skipped.error == "DetectionRefused"


def test_a_missing_permission_is_no_reason_to_do_without_rekognition() -> None:
    """An operator who wants both must hear of it."""
    with pytest.raises(ConfigurationError):
        started(make_job(DetectionMode.BOTH), ScriptedRekognition(make_error("AccessDeniedException")))


def test_rekognition_that_is_full_is_waited_for() -> None:
    """Within a day a place becomes free as a rule."""
    with pytest.raises(RekognitionLimited):
        started(
            make_job(DetectionMode.BOTH, age=timedelta(hours=23)),
            ScriptedRekognition(make_error("LimitExceededException")),
        )


def test_after_a_day_without_a_free_place_the_container_goes_on() -> None:
    """A quota that is used up keeps no video for ever."""
    job = make_job(DetectionMode.BOTH, age=timedelta(hours=25))

    waited = started(job, ScriptedRekognition(make_error("LimitExceededException")))

    assert waited.detection.status is DetectionStatus.CONTAINER_ONLY
    assert waited.detection.skipped is not None
    assert waited.detection.skipped.error == "RekognitionLimited"


def test_after_a_day_rekognition_alone_is_waited_for_still() -> None:
    """The state machine gives up after three."""
    job = make_job(DetectionMode.REKOGNITION, age=timedelta(hours=25))

    with pytest.raises(RekognitionLimited):
        started(job, ScriptedRekognition(make_error("LimitExceededException")))


FAILED: dict[str, Any] = {"JobStatus": "FAILED", "StatusMessage": "Unsupported codec/format."}


def test_a_failed_job_is_left_to_the_container() -> None:
    """An HEVC recording is no failure any more."""
    job = running(DetectionMode.BOTH)

    checked = check_detection(job, FaceDetectionJobs(ScriptedRekognition(FAILED)), NOW)

    assert checked.detection.status is DetectionStatus.CONTAINER_ONLY
    assert checked.detection.skipped == Failure(
        "DetectionFailed", "Rekognition job j failed: Unsupported codec/format."
    )


def test_a_job_that_never_ends_is_left_to_the_container() -> None:
    """The wait is over for Rekognition only."""
    job = running(DetectionMode.BOTH, LONGEST_DETECTION_S)

    checked = check_detection(job, FaceDetectionJobs(ScriptedRekognition({"JobStatus": "IN_PROGRESS"})), NOW)

    assert checked.detection.status is DetectionStatus.CONTAINER_ONLY


def test_a_failed_job_fails_where_rekognition_alone_is_wanted() -> None:
    """Nobody else would find the faces."""
    job = running(DetectionMode.REKOGNITION)

    with pytest.raises(DetectionFailed):
        check_detection(job, FaceDetectionJobs(ScriptedRekognition(FAILED)), NOW)


def test_faces_that_cannot_be_read_are_left_to_the_container() -> None:
    """The job can be gone or fail between the check and the reading."""
    job = running(DetectionMode.BOTH)

    stored = store_faces(
        job, FaceDetectionJobs(ScriptedRekognition(FAILED)), FakeS3(), "work", FakeClock().pace(), NOW
    )

    assert (stored.detection.status, stored.faces) == (DetectionStatus.CONTAINER_ONLY, None)


def test_the_reason_survives_the_state_machine() -> None:
    """The manifest names it at the end."""
    job = make_job(DetectionMode.BOTH)
    skipped = job.with_detection(job.detection.by_container_only(DetectionRefused("no such codec")))

    assert Job.from_json(json.loads(json.dumps(skipped.to_json()))) == skipped


def test_one_failure_names_both_causes() -> None:
    """Rekognition refused, and then the container failed."""
    job = make_job(DetectionMode.BOTH)
    skipped = job.with_detection(job.detection.by_container_only(DetectionRefused("no such codec")))

    manifest = json.loads(failure_manifest(skipped, Failure("DamagedVideo", "frame 3 is broken")))

    assert (manifest["error"], manifest["cause"]) == ("DamagedVideo", "frame 3 is broken")
    assert manifest["detection"]["rekognition_skipped"] == {
        "error": "DetectionRefused",
        "cause": "no such codec",
    }


def test_a_job_of_an_older_version_wants_rekognition() -> None:
    """It was started when nothing else was there; the container would need no faces document."""
    fields = make_job(DetectionMode.BOTH).to_json()
    del fields["detection"]["mode"]

    assert Job.from_json(fields).detection.mode is DetectionMode.REKOGNITION


def test_an_unknown_mode_is_an_invalid_payload() -> None:
    """What it would mean is not known."""
    fields = make_job(DetectionMode.BOTH).to_json()
    fields["detection"]["mode"] = "neither"

    with pytest.raises(InvalidDocument):
        Job.from_json(fields)


@pytest.mark.parametrize(("said", "mode"), [({}, "both"), ({"DETECTION": "container"}, "container")])
def test_both_detectors_are_wanted_unless_the_stage_says_otherwise(said: dict[str, str], mode: str) -> None:
    """One of them suffices to cover a face."""
    assert detection_mode(said) == DetectionMode(mode)


def test_a_misspelled_mode_is_an_error_that_names_the_choices() -> None:
    """A stage that means `container` must not call Rekognition."""
    with pytest.raises(FaceBlurError, match="both, rekognition, container"):
        detection_mode({"DETECTION": "Container"})
