"""Methods under test: each takes a clip's faces document and returns the covered shapes of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.leak.detector_cache import DetectorOutput, find_faces
from benchmarks.leak.ground_truth import Truth
from benchmarks.leak.metrics import Canvas
from blur_container.analysis.face_tracking import track_faces
from blur_container.geometry import Orientation, Rect, around, between, padded
from blur_container.masking.ellipse import Mask, ellipse_mask
from blur_container.masking.regions import BlurRegions
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.settings import BlurShape, DetectionEffort, DetectionSettings, RenderSettings
from blur_container.tracking.association import associate
from blur_container.tracking.tracklets import sampling_interval_ms
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.faces import Box, Detection, FacesDocument
from chalicelib.contract.job import DetectionMode

SETTINGS = RenderSettings()
_REFINED = replace(SETTINGS, detection_mode=DetectionMode.BOTH)
_THOROUGH = replace(_REFINED, detection=DetectionSettings.of(DetectionEffort.THOROUGH))
_BASELINE_MARGIN = 0.15
_TUTORIAL_HOLD_MS = 500
# deface's `--mask-scale` adds this less one on every side of the box.
_DEFACE_MASK_SCALE = 1.3


@dataclass(frozen=True)
class Case:
    """Input of a method: a clip, its faces document, and the folder `cache` for the detector's output."""

    source: Path
    truth: Truth
    faces: FacesDocument
    cache: Path

    @cached_property
    def detector_output(self) -> DetectorOutput:
        """Return the detector's output for every frame."""
        return find_faces(self.source, self.cache)


@dataclass(frozen=True)
class Shape:
    """A covered area: all of `rect`, or its pixels where `mask` is not 0."""

    rect: Rect
    mask: Mask | None = None

    def cover(self, canvas: Canvas) -> None:
        """Set the pixels of `canvas` that the shape covers to 1."""
        area = canvas[self.rect.top : self.rect.bottom, self.rect.left : self.rect.right]
        if self.mask is None:
            area[:] = 1
        else:
            area[self.mask != 0] = 1


ShapesAt = Callable[[int], Iterable[Shape]]


@dataclass(frozen=True)
class Method:
    """One row of the table: `prepare` returns a function from frame index to shapes.

    `detector_share` is the share of the detector's time that is added to the cost of a frame.
    """

    prepare: Callable[[Case], ShapesAt]
    detector_share: float = 0.0


def _tutorial(case: Case) -> ShapesAt:
    """Hold each detection half a second, forward only, with no margin, like tutorials and the AWS sample."""
    return _boxes(
        case,
        lambda now: [
            face.box for face in case.faces.detections if 0 <= now - face.time_ms < _TUTORIAL_HOLD_MS
        ],
    )


def _nearest(case: Case) -> ShapesAt:
    """Show the boxes of the nearest sample."""
    detections = case.faces.detections
    half_ms = _interval_ms(detections) / 2
    return _boxes(
        case,
        lambda now: [_wider(face.box) for face in detections if -half_ms <= now - face.time_ms <= half_ms],
    )


def _interpolation(case: Case) -> ShapesAt:
    """Move each box evenly from detection to detection of a track; hold it one interval at both ends."""
    interval_ms = _interval_ms(case.faces.detections)
    tracks = associate(case.faces.detections, interval_ms, SETTINGS.tracks)

    def boxes_at(now: float) -> list[Box]:
        return [
            _wider(_interpolated(track, now))
            for track in tracks
            if track[0].time_ms - interval_ms <= now <= track[-1].time_ms + interval_ms
        ]

    return _boxes(case, boxes_at)


def _ours(settings: RenderSettings) -> Callable[[Case], ShapesAt]:
    return lambda case: _drawn_masks(case, track_faces(case.source, case.faces, settings), settings)


def _container(settings: RenderSettings) -> Callable[[Case], ShapesAt]:
    """Return the renderer with the container's own detections alone, without a sample."""

    def prepare(case: Case) -> ShapesAt:
        alone = replace(case, faces=replace(case.faces, detections=()))
        return _drawn_masks(alone, track_faces(case.source, alone.faces, settings), settings)

    return prepare


def _deface(case: Case) -> ShapesAt:
    """Cover each face that the detector finds in the frame by an ellipse in a wider box, like deface."""

    def shapes_at(index: int) -> Iterable[Shape]:
        for found in case.detector_output.frames[index]:
            box = padded(found.box, _DEFACE_MASK_SCALE - 1)
            rect = around(box, case.truth.size).within(case.truth.size)
            if rect is not None:
                yield Shape(rect, _inscribed(rect))

    return shapes_at


METHODS: dict[str, Method] = {
    "tutorial": Method(_tutorial),
    "nearest": Method(_nearest),
    "interpolation": Method(_interpolation),
    "tracks": Method(_ours(replace(SETTINGS, follow_faces=False))),
    "followed": Method(_ours(SETTINGS)),
    "refined": Method(_ours(_REFINED)),
    "container": Method(_container(_REFINED)),
    "thorough": Method(_container(_THOROUGH)),
    "detector": Method(_deface, detector_share=1.0),
}


def _drawn_masks(case: Case, tracks: Tracks, settings: RenderSettings) -> ShapesAt:
    """Return the shapes that the renderer draws."""
    mapping = FrameMapping(case.truth.clock, Orientation(), case.truth.size)
    regions = BlurRegions(case.faces.source_id, tracks, mapping)
    margin, frames = settings.tracks.margin, case.truth.frames

    def shapes_at(index: int) -> Iterable[Shape]:
        for patch in regions.patches_at(frames[index].pts):
            whole = settings.shape is BlurShape.BOX
            yield Shape(patch.rect, None if whole else ellipse_mask(patch.whole, patch.rect, margin))

    return shapes_at


def _boxes(case: Case, boxes_at: Callable[[float], list[Box]]) -> ShapesAt:
    size, clock, frames = case.truth.size, case.truth.clock, case.truth.frames

    def shapes_at(index: int) -> Iterable[Shape]:
        # Detection times are whole milliseconds, rounded down: compare frame times of the same precision.
        for box in boxes_at(float(int(clock.ms(frames[index].pts)))):
            rect = around(box, size).within(size)
            if rect is not None:
                yield Shape(rect)

    return shapes_at


def _interval_ms(detections: Iterable[Detection]) -> int:
    return sampling_interval_ms((face.time_ms for face in detections), SETTINGS.tracks)


def _wider(box: Box) -> Box:
    return padded(box, _BASELINE_MARGIN)


def _interpolated(track: tuple[Detection, ...], now: float) -> Box:
    earlier = max((face for face in track if face.time_ms <= now), key=_time, default=track[0])
    later = min((face for face in track if face.time_ms >= now), key=_time, default=track[-1])
    if earlier.time_ms >= later.time_ms:
        return earlier.box
    share = (now - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    return between(earlier.box, later.box, share)


def _time(face: Detection) -> int:
    return face.time_ms


def _inscribed(rect: Rect) -> Mask:
    """Return the mask of the ellipse in a rect."""
    width, height = rect.size.width, rect.size.height
    across = (np.arange(width) + 0.5) / width * 2 - 1
    down = (np.arange(height) + 0.5) / height * 2 - 1
    return np.asarray(across[np.newaxis, :] ** 2 + down[:, np.newaxis] ** 2 <= 1, np.uint8)
