"""Comparison of two models: the share of faces that the second one finds again, and how its boxes agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blur_container.analysis.face_detector import DetectedFace, Detector
from blur_container.geometry import overlap
from blur_container.model_build.pictures import Rgb

FOUND_SHARE_MIN, MEAN_IOU_MIN = 0.99, 0.94
# A face of the one model is looked for among those of the other from half of its threshold on.
THRESHOLD, THRESHOLD_AGAIN = 0.2, 0.1
_SAME_FACE_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """The number of compared faces, the share of them found again, the mean IoU of their boxes."""

    faces: int
    found_share: float
    mean_iou: float

    @property
    def is_enough(self) -> bool:
        """Return whether the second model may take the place of the first."""
        return self.faces > 0 and self.found_share >= FOUND_SHARE_MIN and self.mean_iou >= MEAN_IOU_MIN


def compare(expected: Detector, other: Detector, pictures: Iterable[Rgb]) -> Agreement:
    """Return how far `other` finds the faces that `expected` finds in `pictures`."""
    ious: list[float] = []
    for picture in pictures:
        again = other.detect(picture)
        ious += [_best_iou(face, again) for face in expected.detect(picture)]
    found = [iou for iou in ious if iou >= _SAME_FACE_IOU]
    return Agreement(len(ious), len(found) / max(1, len(ious)), sum(found) / max(1, len(found)))


def _best_iou(face: DetectedFace, others: Sequence[DetectedFace]) -> float:
    return max((overlap(face.box, other.box) for other in others), default=0.0)
