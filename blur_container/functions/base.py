"""The context of the container's functions: storage, settings, log, scratch folder, faces document."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_container.functions.delivery import Delivery
from blur_container.reading.frame_mapping import without_detections
from blur_container.reading.source import Source
from blur_container.rendering.cost import cost_estimate
from blur_container.scratch import scratch_folder
from blur_container.segments.renderer_version import RendererVersion
from blur_container.settings import Settings
from blur_container.storage.s3 import Storage
from chalicelib.contract.errors import ConfigurationError, InvalidDocument
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionMode, DetectionStatus, Job
from chalicelib.contract.log import EventLog
from chalicelib.contract.prices import Prices


@dataclass(frozen=True)
class FunctionContext:
    """The services of one invocation; files go to a folder below `scratch`, the system's temporary folder."""

    storage: Storage
    settings: Settings
    log: EventLog
    scratch: Path | None = None

    @property
    def renderer(self) -> RendererVersion:
        """Return the code version and settings of this function."""
        return RendererVersion.of(self.settings.code_version, self.settings.render)

    def folder(self) -> AbstractContextManager[Path]:
        """Return a context that deletes its folder at its end; it raises ScratchFull on a full disk."""
        return scratch_folder(self.scratch)

    def faces(self, job: Job, source: Source) -> FacesDocument:
        """Read the faces document of `job`, or describe `source` where Rekognition was left out.

        Raise InvalidDocument where the document belongs to another source, ConfigurationError where nothing
        would detect the faces of `source`.
        """
        if job.faces is None and job.detection.status is DetectionStatus.CONTAINER_ONLY:
            if self.settings.render.detection_mode is DetectionMode.REKOGNITION:
                raise ConfigurationError(
                    "DETECTION is rekognition here, and Rekognition has not analysed the video: deploy all"
                    " functions with the same setting, and `make redrive`"
                )
            return without_detections(source, job.source.identity, self.settings.render.limits)
        if job.faces is None:
            raise InvalidDocument("the job names no faces document")
        if job.faces.bucket != self.settings.work_bucket:
            raise InvalidDocument(f"the faces document is in bucket {job.faces.bucket}, not in WORK_BUCKET")
        faces = FacesDocument.from_json(self.storage.read_text(job.faces))
        if faces.source_id != job.source.identity:
            raise InvalidDocument(
                f"the faces document belongs to {faces.source_id}, not to {job.source.identity}"
            )
        return faces

    def cost(self, job: Job, seconds: float, duration_ms: float) -> dict[str, Any]:
        """Return the manifest's estimate for `job`, whose functions took `seconds`."""
        by_rekognition = job.detection.job_id is not None
        return cost_estimate(
            Prices.read(), seconds, self.settings.memory_mb, duration_ms, by_rekognition=by_rekognition
        )

    def delivery(self, job: Job) -> Delivery:
        """Return the delivery of `job`."""
        return Delivery.of(job, self.storage, self.settings.output_bucket, self.settings.work_bucket)
