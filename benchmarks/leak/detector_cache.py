"""Run the detector on every frame of a clip, and keep its output beside the clip: a run takes minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from blur_container.analysis.face_detector import FaceDetector, analysis_size
from blur_container.reading.video import decoded_frames, open_source, video_stream
from chalicelib.contract.faces import Box
from local_cloud.rekognition_service.sampling import upright_picture

LONG_SIDE = 640
# Version of the cached files. Faces from the detector's default threshold on; callers filter by confidence.
_KIND = "centerface-640-onnxruntime"


@dataclass(frozen=True)
class DetectedFace:
    """One face that the detector found; `confidence` in percent."""

    box: Box
    confidence: float


@dataclass(frozen=True)
class DetectorOutput:
    """Detected faces of every frame, in presentation order, and the mean time for a frame."""

    frames: tuple[tuple[DetectedFace, ...], ...]
    ms_per_frame: float


def find_faces(source: Path, folder: Path) -> DetectorOutput:
    """Return the detector's output for every frame of `source`; keep it in `folder`."""
    cached = folder / f"{source.stem}-{_KIND}.json"
    if not cached.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = cached.with_suffix(".part")
        unfinished.write_text(json.dumps(_detected(source)), encoding="utf-8")
        unfinished.replace(cached)
    document = json.loads(cached.read_text(encoding="utf-8"))
    frames = tuple(
        tuple(DetectedFace(Box(*box), confidence) for box, confidence in found)
        for found in document["frames"]
    )
    return DetectorOutput(frames, document["ms_per_frame"])


def _detected(source: Path) -> dict[str, object]:
    detector, frames, spent_s = FaceDetector(), [], 0.0
    for picture in _pictures(source):
        begin_s = time.monotonic()
        found = detector.detect(picture)
        spent_s += time.monotonic() - begin_s
        frames.append([(_numbers(face.box), round(face.confidence, 2)) for face in found])
    return {"frames": frames, "ms_per_frame": 1000 * spent_s / max(1, len(frames))}


def _pictures(source: Path) -> Iterator[NDArray[np.uint8]]:
    reformatter = VideoReformatter()
    with open_source(source) as container:
        for frame in decoded_frames(container, video_stream(container), threads=1):
            size = analysis_size(frame.width, frame.height, LONG_SIDE)
            yield upright_picture(frame, size, reformatter)


def _numbers(box: Box) -> list[float]:
    return [round(number, 6) for number in (box.left, box.top, box.width, box.height)]
