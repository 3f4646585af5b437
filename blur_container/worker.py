"""Workers: what the container's functions have in common - buckets, settings, log, and a place for files."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blur_container.renderer_version import RendererVersion
from blur_container.scratch import scratch_folder
from blur_container.settings import Settings
from blur_container.transfer import Storage
from chalicelib.contract.delivery import own_manifest
from chalicelib.contract.errors import FailureRecorded, InvalidDocument
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job, manifest_key, output_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import success_manifest
from chalicelib.contract.objects import ObjectReference


@dataclass(frozen=True)
class Worker:
    """What a function works with; all of it is handed in.

    Files lie in a folder below `scratch` (the system's folder for temporary files) and are gone afterwards.
    """

    storage: Storage
    settings: Settings
    log: EventLog
    scratch: Path | None = None

    @property
    def renderer(self) -> RendererVersion:
        """Return which code, with which settings, works here."""
        return RendererVersion.of(self.settings.code_version, self.settings.render)

    def folder(self) -> AbstractContextManager[Path]:
        """Return a context with a folder for files, which goes with it; raise ScratchFull without room."""
        return scratch_folder(self.scratch)

    def faces(self, job: Job) -> FacesDocument:
        """Return the faces document of `job`; raise InvalidDocument unless it belongs to its source."""
        if job.faces is None:
            raise InvalidDocument("the job names no faces document")
        if job.faces.bucket != self.settings.work_bucket:
            raise InvalidDocument(f"the faces document lies in {job.faces.bucket}, not in WORK_BUCKET")
        faces = FacesDocument.from_json(self.storage.read_text(job.faces))
        if faces.source_id != job.source.identity:
            raise InvalidDocument(
                f"the faces document belongs to {faces.source_id}, not to {job.source.identity}"
            )
        return faces

    def output(self, job: Job) -> ObjectReference:
        """Return where the blurred video of `job` goes."""
        return ObjectReference(self.settings.output_bucket, output_key(job.source))

    def manifest(self, job: Job) -> ObjectReference:
        """Return where the manifest of `job` goes."""
        return ObjectReference(self.settings.output_bucket, manifest_key(job.source))

    def refuse_after_failure(self, job: Job) -> None:
        """Raise FailureRecorded where the execution of `job` was recorded as failed meanwhile.

        An invocation whose answer was lost may outlive its execution; what it made must not appear then.
        """
        recorded = self.storage.read_if_there(self.manifest(job))
        if recorded is not None and own_manifest(recorded, job).get("status") == "FAILED":
            raise FailureRecorded(f"{job.source.uri}: its failure is recorded, nothing is delivered any more")

    def delivered(self, job: Job, described: dict[str, Any]) -> Job:
        """Write the manifest of the output, which is there; return `job` with both."""
        output, manifest = self.output(job), self.manifest(job)
        self.storage.write_json(success_manifest(job, output, described), manifest)
        return replace(job, output=output, manifest=manifest)
