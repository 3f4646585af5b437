"""The face detector: what it finds, what it leaves alone, and boxes that leave the frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from blur_container.analysis.face_detector import LANDMARK_KINDS, Detector, analysis_size, make_detector
from local_cloud.commands.demo_clip import portrait_path

Picture = NDArray[np.uint8]
# Where the face lies in the portrait of 512 x 512 pixels.
FACE = (180, 64, 270, 178)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Return one detector for all tests: it keeps nothing between pictures."""
    return make_detector()


@pytest.fixture(scope="module")
def portrait() -> Picture:
    """Return the astronaut, RGB."""
    picture = cv2.imread(str(portrait_path()))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def test_black_picture_has_no_face(detector: Detector) -> None:
    """The detector finds nothing in a black picture."""
    faces = detector.detect(np.zeros((180, 320, 3), np.uint8))

    assert faces == ()


@pytest.mark.parametrize(
    "name", ["brick.png", "grass.png", "gravel.png", "coffee.png", "hubble_deep_field.jpg"]
)
def test_picture_without_people_has_no_face(detector: Detector, name: str) -> None:
    """Textures, a coffee cup and galaxies are no faces."""
    picture = np.asarray(cv2.imread(str(portrait_path().with_name(name))), np.uint8)

    faces = detector.detect(picture)

    assert faces == ()


def test_portrait_has_one_face_in_its_place(detector: Detector, portrait: Picture) -> None:
    """The box lies within a tenth of the face's size around the true one, with high confidence."""
    face, *others = detector.detect(portrait)

    assert others == []
    assert face.confidence > 80
    found = (face.box.left, face.box.top, face.box.right, face.box.bottom)
    assert found == pytest.approx([edge / 512 for edge in FACE], abs=0.025)


def test_landmarks_lie_where_a_face_has_them(detector: Detector, portrait: Picture) -> None:
    """Eyes are above the nose, the nose above the mouth; left and right are the picture's."""
    (face,) = detector.detect(portrait)

    mark = dict(zip(LANDMARK_KINDS, face.landmarks, strict=True))
    assert mark["eyeLeft"].x < mark["nose"].x < mark["eyeRight"].x
    assert mark["mouthLeft"].x < mark["mouthRight"].x
    assert mark["eyeLeft"].y < mark["nose"].y < mark["mouthLeft"].y
    assert face.box.left < mark["nose"].x < face.box.right


def test_box_is_the_same_fraction_at_any_size(detector: Detector, portrait: Picture) -> None:
    """Fractions refer to the picture as given, whatever its size."""
    small = np.asarray(cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA), np.uint8)

    (face,) = detector.detect(small)

    assert face.box.left == pytest.approx(FACE[0] / 512, abs=0.03)
    assert face.box.top == pytest.approx(FACE[1] / 512, abs=0.03)


def test_face_over_the_left_border_has_a_box_that_leaves_the_frame(
    detector: Detector, portrait: Picture
) -> None:
    """With the left 40 % of the face outside, the box begins left of the frame."""
    (face,) = detector.detect(np.ascontiguousarray(portrait[:, 216:]))

    assert face.box.left < -0.03


def test_face_over_the_right_border_has_a_box_that_leaves_the_frame(
    detector: Detector, portrait: Picture
) -> None:
    """With the right 40 % of the face outside, the box ends right of the frame."""
    (face,) = detector.detect(np.ascontiguousarray(portrait[:, :234]))

    assert face.box.right > 1.03


def test_face_over_the_top_border_has_a_box_that_leaves_the_frame(
    detector: Detector, portrait: Picture
) -> None:
    """With the upper third of the face outside, the box begins above the frame."""
    (face,) = detector.detect(np.ascontiguousarray(portrait[102:]))

    assert face.box.top < -0.02


def test_face_over_the_lower_border_has_a_box_that_leaves_the_frame(
    detector: Detector, portrait: Picture
) -> None:
    """With the chin outside, the box ends below the frame."""
    (face,) = detector.detect(np.ascontiguousarray(portrait[:144]))

    assert face.box.bottom > 1.03


def test_face_close_to_the_border_is_one_face(detector: Detector, portrait: Picture) -> None:
    """The mirrored border, which the detector adds, yields no second face."""
    faces = detector.detect(np.ascontiguousarray(portrait[:, 178:]))

    assert len(faces) == 1


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1280, 720, (640, 360)), (720, 1280, (360, 640)), (320, 180, (640, 360)), (5000, 1, (640, 1))],
)
def test_analysis_size_has_the_long_side(width: int, height: int, expected: tuple[int, int]) -> None:
    """The long side is as asked, the shape is kept, no side vanishes."""
    assert analysis_size(width, height, 640) == expected
