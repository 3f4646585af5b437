"""Face search: all faces of one picture, by one pass over it as it is, and three over the turned picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from blur_container.analysis.face_detector import (
    OVERLAP_MAX,
    DetectedFace,
    Detector,
    DetectorSettings,
    Point,
    make_detector,
)
from blur_container.geometry import TURNS, Orientation, Picture, overlap
from blur_container.settings import DetectionSettings
from chalicelib.contract.faces import Box

_STEPS = 256
# A black picture is not brightened to noise: steps of luma are at most so many times as high as before.
_MEAN_MIN = 4.0


@dataclass(frozen=True)
class PictureFaces:
    """The faces of a picture as it is, and those that a pass over the turned picture sees better."""

    upright: tuple[DetectedFace, ...]
    turned: tuple[DetectedFace, ...] = ()


class FaceSearch:
    """Searches pictures for faces, one at a time."""

    def __init__(
        self, settings: DetectionSettings, make: Callable[[DetectorSettings], Detector] = make_detector
    ) -> None:
        self._settings = settings
        threshold, threads = settings.threshold, settings.threads
        self._upright = make(DetectorSettings(settings.long_side, threshold, threads))
        self._turned = make(DetectorSettings(settings.turned_side, threshold, threads))

    def search(self, picture: Picture, *, with_turned: bool) -> PictureFaces:
        """Return the faces in an RGB picture, uint8 (height, width, 3); `with_turned` adds the turned passes.

        Of overlapping faces of several passes the most certain stays; those of the first pass all stay.
        """
        bright = brightened(picture, self._settings.dark_luma, self._settings.bright_luma)
        upright = tuple(self._upright.detect(bright))
        if not with_turned:
            return PictureFaces(upright)
        found = [face for turn in TURNS for face in self._detect_turned(bright, turn)]
        return PictureFaces(upright, tuple(_best(found, upright)))

    def _detect_turned(self, picture: Picture, turn: Orientation) -> Iterator[DetectedFace]:
        for face in self._turned.detect(turn.turned(picture)):
            yield turned_back(face, turn)


def brightened(picture: Picture, dark_luma: float, bright_luma: float) -> Picture:
    """Return an RGB picture with the gamma that lifts its mean luma to `bright_luma`; itself if not dark."""
    mean = float(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean())
    if mean >= dark_luma:
        return picture
    white = _STEPS - 1
    gamma = math.log(bright_luma / white) / math.log(max(mean, _MEAN_MIN) / white)
    steps = (np.arange(_STEPS) / white) ** gamma * white
    return np.asarray(cv2.LUT(picture, np.rint(steps).astype(np.uint8)), np.uint8)


def turned_back(face: DetectedFace, turn: Orientation) -> DetectedFace:
    """Return a face of the picture that `turn` turned, in fractions of the picture as it was."""
    points = (turn.to_coded(Box(mark.x, mark.y, 0, 0)) for mark in face.landmarks)
    return replace(
        face, box=turn.to_coded(face.box), landmarks=tuple(Point(point.left, point.top) for point in points)
    )


def _best(turned: Sequence[DetectedFace], upright: Sequence[DetectedFace]) -> Iterator[DetectedFace]:
    """Yield the turned faces without those that overlap a more certain one of any pass."""
    kept: list[DetectedFace] = []
    for face in sorted(turned, key=lambda one: -one.confidence):
        better = (one for one in upright if one.confidence >= face.confidence)
        if all(overlap(face.box, other.box) <= OVERLAP_MAX for other in (*better, *kept)):
            kept.append(face)
            yield face
