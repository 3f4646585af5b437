"""The faces document: every detection of one video, as Rekognition saw it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import (
    count_field,
    finite,
    parse_object,
    require_object,
    require_version,
    text_field,
)

FACES_VERSION = 1
_BOX_NUMBERS = 4
_AREA_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """Where a face is: fractions of the displayed frame, origin top left; may reach outside [0, 1]."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Return the right edge as a fraction of the frame width."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Return the lower edge as a fraction of the frame height."""
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in one analysed frame: ms from the first frame, place, confidence in percent (0 to 100)."""

    time_ms: int
    box: Box
    confidence: float


@dataclass(frozen=True)
class VideoDescription:
    """What Rekognition says of the video: size in pixels as analysed, length in ms, codec name, frames/s."""

    codec: str
    duration_ms: int
    frame_rate: float
    width: int
    height: int


@dataclass(frozen=True)
class FacesDocument:
    """All detections of one source, in the order of their times; `source_id` is SourceObject.identity."""

    source_id: str
    job_id: str
    video: VideoDescription
    detections: tuple[Detection, ...]

    @property
    def fullest_ms(self) -> int | None:
        """Return the analysed moment at which faces cover most of the frame; None where there are none."""
        areas: Counter[int] = Counter()
        for detection in self.detections:
            areas[detection.time_ms] += round(_AREA_STEPS * detection.box.width * detection.box.height)
        return areas.most_common(1)[0][0] if areas else None

    def to_json(self) -> str:
        """Return the document as JSON text; equal documents give equal text."""
        document = {
            "version": FACES_VERSION,
            "source_id": self.source_id,
            "job_id": self.job_id,
            "video": {
                "codec": self.video.codec,
                "duration_ms": self.video.duration_ms,
                "frame_rate": self.video.frame_rate,
                "width": self.video.width,
                "height": self.video.height,
            },
            "detections": [_detection_to_json(detection) for detection in self.detections],
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FacesDocument:
        """Return the document in `text`; raise InvalidDocument where it breaks the contract."""
        document = parse_object(text, "the faces document")
        require_version(document, FACES_VERSION, "the faces document")
        detections = document.get("detections")
        if not isinstance(detections, list):
            raise InvalidDocument("detections must be a list")
        return cls(
            source_id=text_field(document, "source_id"),
            job_id=text_field(document, "job_id"),
            video=_video_from_json(require_object(document.get("video"), "video")),
            detections=tuple(_detection_from_json(entry) for entry in detections),
        )


def _detection_to_json(detection: Detection) -> dict[str, Any]:
    box = detection.box
    return {
        "time_ms": detection.time_ms,
        "box": [box.left, box.top, box.width, box.height],
        "confidence": detection.confidence,
    }


def _detection_from_json(entry: Any) -> Detection:
    fields = require_object(entry, "a detection")
    numbers = fields.get("box")
    if not isinstance(numbers, list) or len(numbers) != _BOX_NUMBERS:
        raise InvalidDocument(f"a box must be [left, top, width, height], not {numbers!r}")
    left, top, width, height = (finite(number, "a box") for number in numbers)
    if width < 0 or height < 0:
        raise InvalidDocument(f"a box must not have a negative size: {numbers!r}")
    return Detection(
        time_ms=count_field(fields, "time_ms"),
        box=Box(left, top, width, height),
        confidence=finite(fields.get("confidence"), "confidence"),
    )


def _video_from_json(fields: dict[str, Any]) -> VideoDescription:
    return VideoDescription(
        codec=text_field(fields, "codec"),
        duration_ms=count_field(fields, "duration_ms"),
        frame_rate=finite(fields.get("frame_rate"), "frame_rate"),
        width=count_field(fields, "width"),
        height=count_field(fields, "height"),
    )
