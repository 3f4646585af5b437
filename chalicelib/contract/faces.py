"""The faces document: every detection of one video, as Rekognition reported it."""

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
    shown,
    text_field,
)

FACES_VERSION = 1
# Six hours, the longest video for Rekognition, at five samples a second with nine faces in each.
MAX_DETECTIONS = 1_000_000
LATEST_MS = 24 * 3_600_000
# In frame sizes: boxes may reach outside the frame, but no real one reaches this far.
_FARTHEST = 1000
_BOX_NUMBERS = 4
_AREA_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a face in fractions of the displayed frame, origin top left; may reach outside [0, 1]."""

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

    @property
    def centre(self) -> tuple[float, float]:
        """Return the middle (x, y) in fractions of the frame."""
        return self.left + self.width / 2, self.top + self.height / 2

    def to_json(self) -> list[float]:
        """Return [left, top, width, height]."""
        return [self.left, self.top, self.width, self.height]

    @classmethod
    def from_json(cls, value: Any) -> Box:
        """Return the box in `value`; raise InvalidDocument for an impossible one."""
        if not isinstance(value, list) or len(value) != _BOX_NUMBERS:
            raise InvalidDocument(f"a box must be [left, top, width, height], not {shown(value)}")
        left, top, width, height = (finite(number, "a box") for number in value)
        if width < 0 or height < 0:
            raise InvalidDocument(f"a box must not have a negative size: {shown(value)}")
        if max(abs(left), abs(top), width, height) > _FARTHEST:
            raise InvalidDocument(f"a box must not reach over {_FARTHEST} frames: {shown(value)}")
        return cls(left, top, width, height)


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in one analysed frame: ms since the first frame, box, confidence in percent (0 to 100)."""

    time_ms: int
    box: Box
    confidence: float


@dataclass(frozen=True)
class VideoDescription:
    """Rekognition's description of the video: codec, duration in ms, frames/s, analysed size in pixels."""

    codec: str
    duration_ms: int
    frame_rate: float
    width: int
    height: int

    def to_json(self) -> dict[str, Any]:
        """Return the description as a JSON object."""
        return {
            "codec": self.codec,
            "duration_ms": self.duration_ms,
            "frame_rate": self.frame_rate,
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_json(cls, value: Any) -> VideoDescription:
        """Return the description in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "video")
        return cls(
            codec=text_field(fields, "codec"),
            duration_ms=count_field(fields, "duration_ms"),
            frame_rate=finite(fields.get("frame_rate"), "frame_rate"),
            width=count_field(fields, "width"),
            height=count_field(fields, "height"),
        )


@dataclass(frozen=True)
class FacesDocument:
    """All detections of one source in the order of time; `source_id` is SourceObject.identity."""

    source_id: str
    job_id: str
    video: VideoDescription
    detections: tuple[Detection, ...]

    @property
    def fullest_ms(self) -> int | None:
        """Return the analysed time in ms at which faces cover most of the frame; None without detections."""
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
            "video": self.video.to_json(),
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
        if len(detections) > MAX_DETECTIONS:
            raise InvalidDocument(f"{len(detections)} detections are over {MAX_DETECTIONS}")
        return cls(
            source_id=text_field(document, "source_id"),
            job_id=text_field(document, "job_id"),
            video=VideoDescription.from_json(document.get("video")),
            detections=tuple(_detection_from_json(entry) for entry in detections),
        )


def _detection_to_json(detection: Detection) -> dict[str, Any]:
    return {
        "time_ms": detection.time_ms,
        "box": detection.box.to_json(),
        "confidence": detection.confidence,
    }


def _detection_from_json(entry: Any) -> Detection:
    fields = require_object(entry, "a detection")
    time_ms = count_field(fields, "time_ms")
    if time_ms > LATEST_MS:
        raise InvalidDocument(f"a detection at {time_ms} ms is over {LATEST_MS}")
    return Detection(
        time_ms=time_ms,
        box=Box.from_json(fields.get("box")),
        confidence=finite(fields.get("confidence"), "confidence"),
    )
