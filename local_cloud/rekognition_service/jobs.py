"""Face-detection jobs of the Rekognition Video substitute, run by background threads."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from blur_container.analysis.face_detector import DetectedFace, Detector
from local_cloud.rekognition_service.sampling import (
    SampledVideo,
    UnreadableVideo,
    VideoMetadata,
    open_sampled,
)
from local_cloud.settings import RekognitionSettings

_log = logging.getLogger(__name__)

UNSUPPORTED = "Unsupported codec/format."


@dataclass(frozen=True)
class StoredVideo:
    """The S3 object that a job analyses; `version` is None where the bucket keeps no versions."""

    bucket: str
    key: str
    version: str | None


@dataclass(frozen=True)
class TimedFace:
    """One face in one analysed frame; `time_ms` counts from the first frame."""

    time_ms: int
    face: DetectedFace


@dataclass(frozen=True)
class Analysis:
    """The result of a job: the video's metadata, and its faces in the order of time."""

    video: VideoMetadata
    faces: tuple[TimedFace, ...]


class JobFailed(Exception):
    """The job ends as FAILED; the text is its StatusMessage."""


class Stopped(Exception):
    """The local cloud is closing, and the job ends unfinished."""


class TooManyJobs(Exception):
    """The account has as many open jobs as its limit allows."""


@dataclass
class Job:
    """One job: its video, and the future with its Analysis or JobFailed."""

    job_id: str
    video: StoredVideo
    tag: str | None
    visible_from_s: float
    outcome: Future[Analysis] = field(default_factory=Future)

    ended_s: float | None = None

    @property
    def in_progress(self) -> bool:
        """Return whether callers are told that the job is in progress."""
        return not self.outcome.done() or time.monotonic() < self.visible_from_s


class FaceJobs:
    """All jobs of one local cloud; safe to use from many threads."""

    def __init__(
        self, make_s3: Callable[[], Any], make_detector: Callable[[], Detector], settings: RekognitionSettings
    ) -> None:
        self._make_s3 = make_s3
        self._make_detector = make_detector
        self._settings = settings
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="face-job")

    def start(self, video: StoredVideo, tag: str | None) -> Job:
        """Queue an analysis; raise TooManyJobs at the limit, Stopped when closed."""
        with self._lock:
            # Under the same lock as the start: a closed thread pool accepts no job.
            self._stop_if_closing()
            if sum(job.in_progress for job in self._jobs.values()) >= self._settings.open_jobs:
                raise TooManyJobs(f"{self._settings.open_jobs} jobs are open")
            number = len(self._jobs)
            job_id = hashlib.sha256(f"{number} {video}".encode()).hexdigest()
            visible_from_s = time.monotonic() + self._settings.in_progress_at_least_s
            job = Job(job_id, video, tag, visible_from_s, self._threads.submit(self._run, video))
            job.outcome.add_done_callback(lambda _outcome: setattr(job, "ended_s", time.monotonic()))
            self._jobs[job_id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        """Return the job of this id; None where there is none, or its results are no longer kept."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None or job.ended_s is None:
            return job
        return job if time.monotonic() < job.ended_s + self._settings.results_kept_s else None

    @property
    def is_closing(self) -> bool:
        """Return whether new jobs are refused."""
        return self._stopping.is_set()

    def close(self) -> None:
        """Stop the running jobs, and drop the waiting ones."""
        with self._lock:
            self._stopping.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, video: StoredVideo) -> Analysis:
        try:
            with tempfile.TemporaryDirectory(prefix="face-job-") as folder:
                source = Path(folder, "source")
                self._fetch(video, source)
                with open_sampled(source) as sampled:
                    return self._detect(sampled)
        except (JobFailed, Stopped):
            raise
        except UnreadableVideo as error:
            raise JobFailed(UNSUPPORTED) from error
        except Exception as error:
            _log.exception("a face job broke")
            raise JobFailed(f"Internal server error: {type(error).__name__}: {error}") from error

    def _fetch(self, video: StoredVideo, target: Path) -> None:
        pinned = {"VersionId": video.version} if video.version else {}
        # Parallel ranged downloads from moto cost quadratic time.
        one_connection = TransferConfig(use_threads=False)
        try:
            with target.open("wb") as file:
                self._make_s3().download_fileobj(
                    video.bucket,
                    video.key,
                    file,
                    ExtraArgs=pinned,
                    Callback=self._stop_if_closing,
                    Config=one_connection,
                )
        except (ClientError, BotoCoreError) as error:
            raise JobFailed(f"Unable to get object from S3: {error}") from error

    def _detect(self, sampled: SampledVideo) -> Analysis:
        detector = self._make_detector()
        faces: list[TimedFace] = []
        for sample in sampled.samples(self._settings.sampling_ms, self._settings.long_side):
            faces += [TimedFace(sample.time_ms, face) for face in detector.detect(sample.picture)]
            self._stop_if_closing()
        return Analysis(sampled.metadata, tuple(faces))

    def _stop_if_closing(self, *_: object) -> None:
        if self._stopping.is_set():
            raise Stopped
