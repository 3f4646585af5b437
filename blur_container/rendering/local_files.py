"""Local files: blur one video on disk, verify it, and write its manifest beside it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_container.reading.frame_mapping import without_detections
from blur_container.rendering.progress import Progress, Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import Settings
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionMode
from chalicelib.contract.manifest import MANIFEST_VERSION

_BLOCK_BYTES = 1024**2


@dataclass(frozen=True)
class LocalFiles:
    """The paths of a video, of its blurred copy, and of a faces document with the boxes to blur, if any."""

    source: Path
    target: Path
    faces: Path | None

    @property
    def manifest(self) -> Path:
        """Return the path of the manifest, `<target>.manifest.json`."""
        return self.target.with_name(f"{self.target.name}.manifest.json")

    def render(self, settings: Settings, progress: Callable[[Progress], None]) -> RenderReport:
        """Write target and manifest; both appear only after the target has passed its verification.

        A faces document of any source is accepted: local files have no object version to compare. Without one
        the container's detector finds the faces; raise ConfigurationError where the settings leave it out.
        """
        if self.target.resolve() in (path.resolve() for path in (self.source, self.faces) if path):
            raise ConfigurationError(f"{self.target} is an input and cannot be the output too")
        if self.faces:
            faces = FacesDocument.from_json(self.faces.read_bytes())
        elif settings.render.detection_mode is DetectionMode.REKOGNITION:
            raise ConfigurationError("DETECTION is rekognition, and no faces document was given")
        else:
            faces = without_detections(self.source, self.source.name, settings.render.limits)
        steps = Steps()
        with tempfile.TemporaryDirectory(prefix=".blur-", dir=self.target.parent) as folder:
            blurred, described = Path(folder, "blurred.mp4"), Path(folder, "manifest.json")
            with steps.timed("render") as facts:
                report = redact_video(self.source, blurred, faces, settings.render, progress)
                facts["bytes"] = blurred.stat().st_size
            with steps.timed("verify"):
                verify_output(blurred, report)
            text = self._manifest_text(faces, report_to_json(report, steps, settings))
            described.write_text(text, encoding="utf-8")
            blurred.replace(self.target)
            described.replace(self.manifest)
        return report

    def _manifest_text(self, faces: FacesDocument, report: dict[str, Any]) -> str:
        document = {
            "version": MANIFEST_VERSION,
            "source": {
                "file": self.source.name,
                "size_bytes": self.source.stat().st_size,
                "sha256": _sha256(self.source),
            },
            "execution": None,
            "detection_job": faces.job_id,
            "status": "SUCCEEDED",
            "output": {"file": self.target.name},
            **report,
        }
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
