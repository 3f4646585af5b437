"""The Lambda function blur-faces: a job comes in, a verified video goes out, the job goes on."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blur_container.progress import ProgressLog
from blur_container.redact import RenderReport, redact_video
from blur_container.report import Steps, report_to_json
from blur_container.settings import Settings
from blur_container.transfer import Storage, s3_client
from blur_container.verify import verify_output
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job, manifest_key, output_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import success_manifest
from chalicelib.contract.objects import ObjectReference


def blur_faces(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Blur the faces of the job in `event`; return the job with its output and manifest."""
    settings = Settings.from_env(os.environ)
    job = Job.from_json(event)
    log = EventLog("blur-faces", execution=job.execution.id if job.execution else None)
    return BlurFaces(Storage(s3_client()), settings, log).run(job).to_json()


@dataclass(frozen=True)
class BlurFaces:
    """The way of one video from bucket to bucket; what it works with is handed in.

    Files lie in a folder below `scratch` (the system's folder for temporary files) and are gone afterwards.
    """

    storage: Storage
    settings: Settings
    log: EventLog
    scratch: Path | None = None

    def run(self, job: Job) -> Job:
        """Blur the faces of `job`; nothing is uploaded before its verification has passed."""
        steps = Steps()
        with (
            self.log.handling(source=job.source.uri) as facts,
            tempfile.TemporaryDirectory(prefix="blur-faces-", dir=self.scratch) as folder,
        ):
            faces = self._faces(job)
            blurred = Path(folder) / "blurred.mp4"
            report = self._render(job, faces, blurred, steps)
            output = self._deliver(job, blurred, steps)
            described = report_to_json(report, steps, self.settings)
            manifest = ObjectReference(self.settings.output_bucket, manifest_key(job.source))
            self.storage.write_json(success_manifest(job, output, described), manifest)
            facts.update({name: described[name] for name in ("detections", "tracks", "frames", "steps")})
        return replace(job, output=output, manifest=manifest)

    def _faces(self, job: Job) -> FacesDocument:
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

    def _render(self, job: Job, faces: FacesDocument, blurred: Path, steps: Steps) -> RenderReport:
        source = blurred.with_name("source")
        with steps.timed("download") as facts:
            facts["bytes"] = self.storage.download(job.source, source)
        with steps.timed("render") as facts:
            report = redact_video(source, blurred, faces, self.settings.render, ProgressLog(self.log))
            facts["bytes"] = blurred.stat().st_size
        # An hour of video fills the folder: the source goes as soon as it is not needed.
        source.unlink()
        with steps.timed("verify") as facts:
            verify_output(blurred, report)
            facts["bytes"] = blurred.stat().st_size
        return report

    def _deliver(self, job: Job, blurred: Path, steps: Steps) -> ObjectReference:
        output = ObjectReference(self.settings.output_bucket, output_key(job.source))
        metadata = {
            "source-version": job.source.version_id or job.source.etag,
            "execution": job.execution.id if job.execution else "",
        }
        with steps.timed("upload") as facts:
            facts["bytes"] = self.storage.upload(blurred, output, "video/mp4", metadata)
        return output
