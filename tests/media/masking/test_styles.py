"""How strong each style is: a real face of any size is not found again, nor brought back by averaging."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from blur_container.analysis.face_detector import DetectorSettings, FaceDetector
from blur_container.geometry import Size, around, padded, short_side
from blur_container.masking.blur import BlurOptions, blur_patches
from blur_container.masking.noise import track_key
from blur_container.masking.regions import Patch
from blur_container.settings import BlurShape, BlurStyle, RenderSettings
from chalicelib.contract.faces import Box, Detection
from local_cloud.commands.demo_clip import portrait_path

SETTINGS = RenderSettings()
FRAME = Size(720, 560)
# The face in the portrait, in its pixels.
FACE_LEFT, FACE_TOP, FACE_WIDTH, FACE_HEIGHT = 180, 64, 90, 114

Picture = NDArray[np.uint8]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """A frame, BGR, with the portrait in it, and the box of its face."""

    picture: Picture
    box: Box


def scene(face_px: float, shift_x: float = 0.0, shift_y: float = 0.0) -> Scene:
    """Return the portrait with a face `face_px` wide in the middle, moved by a part of a pixel or more."""
    portrait = np.asarray(cv2.imread(str(portrait_path())), np.uint8)
    scale = face_px / FACE_WIDTH
    left = (FRAME.width - face_px) / 2 + shift_x
    top = FRAME.height / 2 - FACE_HEIGHT * scale / 2 + shift_y
    matrix = np.array([[scale, 0, left - FACE_LEFT * scale], [0, scale, top - FACE_TOP * scale]], np.float32)
    size = (FRAME.width, FRAME.height)
    picture = cv2.warpAffine(portrait, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    box = Box(
        left / FRAME.width, top / FRAME.height, face_px / FRAME.width, FACE_HEIGHT * scale / FRAME.height
    )
    return Scene(np.asarray(picture, np.uint8), box)


def blurred(
    shown: Scene, style: BlurStyle, shape: BlurShape = SETTINGS.shape, key: str = "source"
) -> Picture:
    """Return the frame with its face blurred on Y, U and V, as the renderer does it."""
    margin, height = SETTINGS.tracks.margin, FRAME.height
    planar = np.asarray(cv2.cvtColor(shown.picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
    chroma = planar[height:].reshape(2, height // 2, FRAME.width // 2)
    box = padded(shown.box, margin)
    whole = around(box, FRAME)
    rect = whole.within(FRAME)
    assert rect is not None
    patch = Patch(rect, whole, short_side(box, FRAME), track_key(key, Detection(0, Box(0, 0, 1, 1), 99.0)))
    options = BlurOptions(style, shape, SETTINGS.mosaic_cells, margin)
    blur_patches([planar[:height], *chroma], [patch], options)
    return np.asarray(cv2.cvtColor(planar, cv2.COLOR_YUV2BGR_I420), np.uint8)


def shifts(count: int) -> list[tuple[float, float]]:
    """Return movements of up to two pixels, the same in every run."""
    return [(float(x), float(y)) for x, y in np.random.default_rng(11).uniform(-2, 2, (count, 2))]


def luma(picture: Picture) -> Numbers:
    """Return a picture without its colours."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float64)


def fine(grey: Numbers, cell_px: float) -> Numbers:
    """Return what is finer than a cell in a grey picture."""
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), cell_px / 2), np.float64)


def face_of(picture: Numbers, box: Box) -> Numbers:
    """Return the part of a picture inside the box."""
    left, right = round(box.left * FRAME.width), round(box.right * FRAME.width)
    top, bottom = round(box.top * FRAME.height), round(box.bottom * FRAME.height)
    return picture[top:bottom, left:right]


def likeness(one: Numbers, two: Numbers) -> float:
    """Return the correlation of two pictures."""
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])


def faces_in(picture: Picture, box: Box, detector: FaceDetector) -> int:
    """Return how many faces are found with their middle in the padded box; a suit has folds like faces."""
    around_face = padded(box, SETTINGS.tracks.margin)
    middles = [found.box.centre for found in detector.detect(np.ascontiguousarray(picture[:, :, ::-1]))]
    return sum(
        around_face.left < x < around_face.right and around_face.top < y < around_face.bottom
        for x, y in middles
    )


@pytest.mark.parametrize("shape", list(BlurShape))
@pytest.mark.parametrize("style", list(BlurStyle))
def test_face_of_any_size_is_found_in_none_of_thirty_frames(style: BlurStyle, shape: BlurShape) -> None:
    """At a threshold of 0.5, as most tools have it; a video is as safe as its worst frame."""
    detector = FaceDetector(DetectorSettings(threshold=0.5))
    sizes = np.geomspace(64, 400, 30)
    scenes = [scene(float(face_px), *shift) for face_px, shift in zip(sizes, shifts(30), strict=True)]
    pictures = [blurred(one, style, shape, key=str(number)) for number, one in enumerate(scenes)]

    found = [faces_in(picture, one.box, detector) for picture, one in zip(pictures, scenes, strict=True)]

    assert faces_in(scenes[0].picture, scenes[0].box, detector) == 1
    assert found == [0] * 30


@pytest.mark.parametrize(
    ("style", "highest"),
    [pytest.param(BlurStyle.MOSAIC, 0.35, id="mosaic"), pytest.param(BlurStyle.BLUR, 0.15, id="blur")],
)
def test_averaging_frames_brings_no_detail_back(style: BlurStyle, highest: float) -> None:
    """Fifty frames with known movements, laid on one another, show no more than the best of them."""
    still = scene(200)
    cell_px = short_side(padded(still.box, SETTINGS.tracks.margin), FRAME) / SETTINGS.mosaic_cells
    original = face_of(fine(luma(still.picture), cell_px), still.box)
    aligned: list[Numbers] = []
    for x, y in shifts(50):
        grey = luma(blurred(scene(200, x, y), style))
        back = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
        aligned.append(np.asarray(cv2.warpAffine(grey, back, (FRAME.width, FRAME.height)), np.float64))

    average = np.asarray(np.mean(aligned, axis=0), np.float64)

    single = [likeness(face_of(fine(picture, cell_px), still.box), original) for picture in aligned]
    together = likeness(face_of(fine(average, cell_px), still.box), original)
    assert together <= max(single) + 0.01
    assert together < highest


def test_averaging_solid_frames_shows_one_grey() -> None:
    """There is nothing to bring back."""
    pictures = [blurred(scene(200, *shift), BlurStyle.SOLID) for shift in shifts(10)]

    inside = [face_of(picture[:, :, 1].astype(np.float64), scene(200).box) for picture in pictures]

    assert {float(values) for picture in inside for values in np.unique(picture[4:-4, 4:-4])} == {130.0}
