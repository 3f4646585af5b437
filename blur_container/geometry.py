"""Geometry of a frame: boxes, their mapping from displayed to coded pixels, and the rects that cover them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chalicelib.contract.errors import UnsupportedVideo
from chalicelib.contract.faces import Box

WHOLE_FRAME = Box(0.0, 0.0, 1.0, 1.0)
_MATRIX_LENGTH = 9
# Within a degree of a quarter turn players turn by the quarter; 1.57 instead of pi / 2 is 0.05 degrees off.
_NEARLY_NOTHING = 0.017
# A box may reach anywhere; it is cut here, before its pixels overflow.
_FAR_FRAMES = 1e6


# uint8 (height, width): the luma of a frame, scaled down; or (height, width, 3): the same in RGB.
Picture = NDArray[np.uint8]
# Samples of 8 bits in one byte, deeper ones in two.
Plane = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class Size:
    """A frame's size in pixels."""

    width: int
    height: int


@dataclass(frozen=True, order=True)
class Rect:
    """A rect in whole pixels of the coded frame; right and bottom are the first pixels outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Return the width and height in pixels."""
        return Size(self.right - self.left, self.bottom - self.top)

    def within(self, frame: Size) -> Rect | None:
        """Return the part of the rect inside a frame of this size, or None if there is none."""
        rect = Rect(
            max(0, self.left), max(0, self.top), min(frame.width, self.right), min(frame.height, self.bottom)
        )
        return rect if rect.left < rect.right and rect.top < rect.bottom else None

    def scaled_down(self, horizontal: int, vertical: int) -> Rect:
        """Return the samples of a plane that the rect touches, at `horizontal` x `vertical` pixels each."""
        return Rect(
            self.left // horizontal,
            self.top // vertical,
            -(-self.right // horizontal),
            -(-self.bottom // vertical),
        )


@dataclass(frozen=True)
class Orientation:
    """The rotation or reflection from coded to displayed frame: x' = a x + c y, y' = b x + d y.

    Coordinates count from the centre. `shown` is the part of the coded frame that is displayed, in fractions
    of it.
    """

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1
    shown: Box = WHOLE_FRAME

    @classmethod
    def from_display_matrix(cls, matrix: Sequence[int] | None) -> Orientation:
        """Return the orientation of FFmpeg's nine numbers, or the plain one for None.

        Raise UnsupportedVideo if they do not turn by a multiple of 90 degrees.
        """
        if matrix is None:
            return cls()
        if len(matrix) != _MATRIX_LENGTH:
            raise UnsupportedVideo(f"the display matrix has {len(matrix)} numbers, not {_MATRIX_LENGTH}")
        numbers = [matrix[index] for index in (0, 1, 3, 4)]
        least = _NEARLY_NOTHING * max(abs(number) for number in numbers)
        a, b, c, d = (_sign(number) if abs(number) > least else 0 for number in numbers)
        if abs(a) != abs(d) or abs(b) != abs(c) or abs(a) + abs(b) != 1:
            raise UnsupportedVideo(f"the display matrix {list(matrix)} turns by no multiple of 90 degrees")
        return cls(a, b, c, d)

    @property
    def is_quarter_turn(self) -> bool:
        """Return whether width and height are exchanged."""
        return self.a == 0

    def to_coded(self, box: Box) -> Box:
        """Return a box in fractions of the displayed frame in fractions of the coded frame."""
        x, y = (middle - 0.5 for middle in box.centre)
        # The matrix has only 0, 1 and -1 and is orthogonal: its inverse is its transpose.
        coded_x, coded_y = self.a * x + self.b * y, self.c * x + self.d * y
        width, height = (box.height, box.width) if self.is_quarter_turn else (box.width, box.height)
        turned = Box(coded_x + 0.5 - width / 2, coded_y + 0.5 - height / 2, width, height)
        if self.shown is WHOLE_FRAME:
            return turned
        return Box(
            self.shown.left + turned.left * self.shown.width,
            self.shown.top + turned.top * self.shown.height,
            turned.width * self.shown.width,
            turned.height * self.shown.height,
        )

    def to_displayed(self, box: Box) -> Box:
        """Return a box in fractions of the coded frame in fractions of the displayed frame."""
        inside = box
        if self.shown is not WHOLE_FRAME:
            inside = Box(
                (box.left - self.shown.left) / self.shown.width,
                (box.top - self.shown.top) / self.shown.height,
                box.width / self.shown.width,
                box.height / self.shown.height,
            )
        return Orientation(self.a, self.c, self.b, self.d).to_coded(inside)

    def turned(self, picture: Picture) -> Picture:
        """Return a picture of the coded frame, uint8 (height, width[, channels]), as displayed."""
        shown = picture.swapaxes(0, 1) if self.is_quarter_turn else picture
        across, down = (self.c, self.b) if self.is_quarter_turn else (self.a, self.d)
        return np.ascontiguousarray(shown[::down, ::across])

    def of_part(self, shown: Box) -> Orientation:
        """Return the same orientation of frames of which only the part `shown` is displayed."""
        return replace(self, shown=shown)


# A picture turned clockwise by a quarter, a half and three quarters.
TURNS = (Orientation(0, 1, -1, 0), Orientation(-1, 0, 0, -1), Orientation(0, -1, 1, 0))


def boxes_orientation(display: Orientation, coded: Size, analysed: Size) -> Orientation:
    """Return the orientation of Rekognition's boxes, from the display orientation and both frame sizes.

    It is not documented whether Rekognition turns a frame before it detects faces. The size it reports shows
    it for a quarter turn: if the size has the coded shape, the frame was not turned. Other turns leave the
    shape as it is: then boxes are taken as displayed, because players turn the frame.
    """
    seen_as_coded = _is_wide(analysed) == _is_wide(coded) and _is_wide(analysed) is not None
    if display.is_quarter_turn and seen_as_coded:
        return Orientation()
    return display


def padded(box: Box, margin: float) -> Box:
    """Return a box with `margin` of its own size added on each side."""
    return Box(
        box.left - box.width * margin,
        box.top - box.height * margin,
        box.width * (1 + 2 * margin),
        box.height * (1 + 2 * margin),
    )


def between(one: Box, other: Box, share: float) -> Box:
    """Return the linear interpolation from `one` (share 0) to `other` (share 1)."""
    return Box(
        one.left + (other.left - one.left) * share,
        one.top + (other.top - one.top) * share,
        one.width + (other.width - one.width) * share,
        one.height + (other.height - one.height) * share,
    )


def hull(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all of one or more boxes."""
    left = min(box.left for box in boxes)
    top = min(box.top for box in boxes)
    right = max(box.right for box in boxes)
    bottom = max(box.bottom for box in boxes)
    return Box(left, top, right - left, bottom - top)


def visible_share(box: Box) -> float:
    """Return the share of a box's area that is inside the frame; 1 for a box of no size."""
    across = min(box.right, 1.0) - max(box.left, 0.0)
    down = min(box.bottom, 1.0) - max(box.top, 0.0)
    area = box.width * box.height
    return max(across, 0.0) * max(down, 0.0) / area if area else 1.0


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, divided by the area that they cover together (IoU)."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(across, 0.0) * max(down, 0.0)
    together = one.width * one.height + other.width * other.height - shared
    return shared / together if together else 0.0


def centre_shift(one: Box, other: Box) -> tuple[float, float]:
    """Return how far right and down the centre of `other` is from that of `one`."""
    across = (other.left + other.right - one.left - one.right) / 2
    return across, (other.top + other.bottom - one.top - one.bottom) / 2


def distance_faces(one: Box, other: Box) -> float:
    """Return the distance of the centres of two boxes, in mean sizes of both; infinite without a size."""
    width, height = (one.width + other.width) / 2, (one.height + other.height) / 2
    if not (width and height):
        return math.inf
    across, down = centre_shift(other, one)
    return math.hypot(across / width, down / height)


def across_border(box: Box, sizes: float) -> list[Box]:
    """Return the boxes just outside the frame that a box reaches by a move of `sizes` of its own sizes."""
    reach_x, reach_y = sizes * box.width, sizes * box.height
    outside = []
    if box.left < reach_x:
        outside.append(Box(min(box.left, -box.width), box.top, box.width, box.height))
    if 1 - box.right < reach_x:
        outside.append(Box(max(box.left, 1.0), box.top, box.width, box.height))
    if box.top < reach_y:
        outside.append(Box(box.left, min(box.top, -box.height), box.width, box.height))
    if 1 - box.bottom < reach_y:
        outside.append(Box(box.left, max(box.top, 1.0), box.width, box.height))
    return outside


def around(box: Box, frame: Size) -> Rect:
    """Return the pixels that a box touches, in the frame and beyond it, grown to even coordinates.

    With even coordinates luma and chroma cover the same area.
    """
    return Rect(
        _even_below(_pixels(box.left, frame.width)),
        _even_below(_pixels(box.top, frame.height)),
        _even_above(_pixels(box.right, frame.width)),
        _even_above(_pixels(box.bottom, frame.height)),
    )


def short_side(box: Box, frame: Size) -> float:
    """Return the shorter side of a box in pixels, the part outside the frame included."""
    return min(box.width * frame.width, box.height * frame.height)


def _pixels(fraction: float, length: int) -> float:
    return min(max(fraction, -_FAR_FRAMES), _FAR_FRAMES) * length


def _even_below(pixel: float) -> int:
    return math.floor(pixel / 2) * 2


def _even_above(pixel: float) -> int:
    return math.ceil(pixel / 2) * 2


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _is_wide(size: Size) -> bool | None:
    """Return whether a frame is wider than high; None for a square."""
    return None if size.width == size.height else size.width > size.height
