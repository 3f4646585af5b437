"""Face search: turned and dark pictures, thresholds, and boxes that come back to the picture as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from blur_container.analysis.face_detector import DetectedFace, DetectorSettings, Point
from blur_container.analysis.face_search import FaceSearch, brightened, turned_back
from blur_container.geometry import TURNS, Orientation, Picture
from blur_container.settings import DetectionEffort, DetectionSettings
from chalicelib.contract.faces import Box
from local_cloud.commands.demo_clip import portrait_path

# Left, top, right, bottom of the face in the portrait of 512 x 512 pixels.
FACE = (180, 64, 270, 178)
SETTINGS = DetectionSettings()


class Told:
    """A detector that finds what it was told, and keeps the shapes of the pictures and its settings."""

    def __init__(self, settings: DetectorSettings, found: Sequence[DetectedFace]) -> None:
        self.settings, self.found = settings, found
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, picture: Picture) -> Sequence[DetectedFace]:
        """Return what was told."""
        self.shapes.append(picture.shape)
        return self.found


class Tellers:
    """Makes a detector for the first pass, then one for the turned ones."""

    def __init__(self, upright: Sequence[DetectedFace], turned: Sequence[DetectedFace]) -> None:
        self._found = [upright, turned]
        self.made: list[Told] = []

    def make(self, settings: DetectorSettings) -> Told:
        """Return the next detector."""
        self.made.append(Told(settings, self._found[len(self.made)]))
        return self.made[-1]


def face(left: float, top: float, confidence: float) -> DetectedFace:
    """Return a face of a tenth of the picture."""
    return DetectedFace(Box(left, top, 0.1, 0.1), confidence, (Point(left, top),))


def portrait() -> Picture:
    """Return the astronaut, RGB."""
    picture = cv2.imread(str(portrait_path()))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


BLACK = np.zeros((90, 160, 3), np.uint8)


@pytest.mark.parametrize(("turn", "quarters"), [*zip(TURNS, (-1, -2, -3), strict=True)])
def test_turns_are_clockwise(turn: Orientation, quarters: int) -> None:
    """By a quarter, a half and three quarters; numpy counts the other way."""
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)

    assert np.array_equal(turn.turned(picture), np.rot90(picture, quarters))


@pytest.mark.parametrize("turn", TURNS)
def test_box_and_landmarks_come_back_from_a_turned_picture(turn: Orientation) -> None:
    """A rect that is painted, turned, and found by its pixels lies where it was painted."""
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[20:50, 30:40] = 255
    picture[20, 30] = 128
    turned = turn.turned(picture)
    rows, columns = np.nonzero(turned[..., 0])
    (mark,) = np.argwhere(turned[..., 0] == 128)
    height, width = turned.shape[:2]
    box = Box(
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1 - columns.min()) / width,
        (rows.max() + 1 - rows.min()) / height,
    )
    found = DetectedFace(box, 50.0, (Point((mark[1] + 0.5) / width, (mark[0] + 0.5) / height),))

    back = turned_back(found, turn)

    assert back.box.to_json() == pytest.approx([30 / 160, 20 / 90, 10 / 160, 30 / 90], abs=1e-12)
    assert [*back.landmarks[0]] == pytest.approx([30.5 / 160, 20.5 / 90], abs=1e-12)
    assert back.confidence == 50.0


def test_dark_picture_gets_the_mean_luma_that_was_asked_for() -> None:
    """A plain one of 20 becomes 90."""
    bright = brightened(np.full((8, 8, 3), 20, np.uint8), 70.0, 90.0)

    assert bright.mean() == pytest.approx(90, abs=1)


def test_picture_that_is_not_dark_is_left_alone() -> None:
    """At the limit it is the very same."""
    picture = np.full((8, 8, 3), 70, np.uint8)

    assert brightened(picture, 70.0, 90.0) is picture


def test_black_stays_black() -> None:
    """There is nothing to be seen, and gamma has no answer for it."""
    assert brightened(BLACK, 70.0, 90.0).max() == 0


def test_white_stays_white_in_a_dark_picture() -> None:
    """Gamma moves what lies between."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[0] = 255

    assert brightened(picture, 70.0, 90.0)[0].min() == 255


def test_plain_search_is_one_pass() -> None:
    """The other detector is not asked."""
    tellers = Tellers([face(0.1, 0.1, 50.0)], [])
    search = FaceSearch(SETTINGS, tellers.make)

    found = search.search(BLACK, with_turned=False)

    assert (len(found.upright), found.turned) == (1, ())
    assert [one.shapes for one in tellers.made] == [[(90, 160, 3)], []]


def test_turned_search_is_four_passes() -> None:
    """The picture as it is, on its side, on its head, and on the other side."""
    tellers = Tellers([], [])

    FaceSearch(SETTINGS, tellers.make).search(BLACK, with_turned=True)

    assert [one.shapes for one in tellers.made] == [
        [(90, 160, 3)],
        [(160, 90, 3), (90, 160, 3), (160, 90, 3)],
    ]


def test_face_of_two_passes_is_the_first_ones_if_that_is_as_certain() -> None:
    """A turned pass sees an upright face too, with less certainty."""
    middle = face(0.45, 0.45, 80.0)
    tellers = Tellers([middle], [replace(middle, confidence=80.0)])

    found = FaceSearch(SETTINGS, tellers.make).search(BLACK, with_turned=True)

    assert (found.upright, found.turned) == ((middle,), ())


def test_face_that_a_turned_pass_sees_better_is_kept_twice() -> None:
    """It is turned: the first pass will miss it again. Of the three turned passes the best counts."""
    middle = face(0.45, 0.45, 30.0)
    tellers = Tellers([middle], [replace(middle, confidence=80.0)])

    found = FaceSearch(SETTINGS, tellers.make).search(BLACK, with_turned=True)

    assert found.upright == (middle,)
    assert [one.confidence for one in found.turned] == [80.0]


@pytest.mark.parametrize(
    ("effort", "sides"), [(DetectionEffort.STANDARD, [960, 640]), (DetectionEffort.THOROUGH, [1920, 960])]
)
def test_effort_is_the_size_of_the_analysed_picture(effort: DetectionEffort, sides: list[int]) -> None:
    """Of the first pass, and of the turned ones; the threshold is the same."""
    tellers = Tellers([], [])

    FaceSearch(DetectionSettings.of(effort), tellers.make)

    assert [one.settings.long_side for one in tellers.made] == sides
    assert {one.settings.threshold for one in tellers.made} == {0.2}


def covers_face(found: Sequence[DetectedFace], turn: Orientation | None) -> bool:
    """Return whether a box is at the portrait's face, in the picture that `turn` turned."""
    left, top, right, bottom = (edge / 512 for edge in FACE)
    true = Box(left, top, right - left, bottom - top)
    expected = turn.to_displayed(true) if turn else true
    return any(one.box.to_json() == pytest.approx(expected.to_json(), abs=0.04) for one in found)


@pytest.mark.parametrize("turn", TURNS)
def test_lying_and_upside_down_faces_are_found(turn: Orientation) -> None:
    """The box is in fractions of the picture as it was given."""
    found = FaceSearch(SETTINGS).search(turn.turned(portrait()), with_turned=True)

    assert covers_face(found.turned, turn)


def test_small_face_is_found() -> None:
    """It is 16 pixels high in a picture of 960 x 540."""
    small = cv2.resize(portrait(), None, fx=0.14, fy=0.14, interpolation=cv2.INTER_AREA)
    picture = np.full((540, 960, 3), 120, np.uint8)
    picture[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small

    found = FaceSearch(SETTINGS).search(picture, with_turned=False)

    (only,) = found.upright
    assert only.box.centre == pytest.approx((331.5 / 960, 216.9 / 540), abs=0.005)


def test_very_dark_face_is_found() -> None:
    """At a fiftieth of its brightness."""
    dark = np.asarray(portrait() // 25, np.uint8)

    found = FaceSearch(SETTINGS).search(dark, with_turned=False)

    assert covers_face(found.upright, None)
