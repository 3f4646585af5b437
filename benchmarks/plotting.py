"""Drawing: lines, discs and words on a sheet of paper, by OpenCV with its own font."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Spot = tuple[float, float]
Colour = Sequence[int]

INK, GREY, GRID, PAPER = (40, 36, 32), (120, 112, 104), (228, 224, 220), (255, 255, 255)
# Blue, green and red of one mark after the other.
COLOURS = (
    (70, 70, 200),
    (40, 140, 230),
    (20, 130, 150),
    (150, 90, 30),
    (110, 140, 20),
    (140, 60, 140),
    (90, 90, 90),
)
# Drawn at twice the size that is written: markers have no smooth edges of their own.
_SCALE = 2


@dataclass(frozen=True)
class Text:
    """How a text is set: its size in pixels and its colour."""

    px: int = 16
    colour: Colour = INK


class Sheet:
    """A picture while it is drawn; places are pixels of the written picture."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._picture: NDArray[np.uint8] = np.full((height * _SCALE, width * _SCALE, 3), PAPER, np.uint8)

    def line(self, begin: Spot, end: Spot, colour: Colour, thickness: int = 1) -> None:
        """Draw a straight line, `thickness` pixels wide."""
        cv2.line(self._picture, _scaled(begin), _scaled(end), colour, thickness * _SCALE, cv2.LINE_AA)

    def disc(self, centre: Spot, radius: int, colour: Colour, fill: Colour | None = None) -> None:
        """Draw a disc with a border of two pixels in `colour`, filled with it or with `fill`."""
        for paint, thickness in ((fill or colour, -1), (colour, 2 * _SCALE)):
            cv2.circle(self._picture, _scaled(centre), radius * _SCALE, paint, thickness, cv2.LINE_AA)

    def width(self, words: str, text: Text) -> float:
        """Return how wide `words` are."""
        _, _, width, _ = cv2.getTextSize((0, 0), words, (0, 0), cv2.FontFace("sans"), text.px * _SCALE)
        return float(width / _SCALE)

    def write(self, words: str, spot: Spot, text: Text, align: float = 0.0) -> None:
        """Write `words` on the line through `spot`, which is at the share `align` of their width."""
        begin = spot[0] - align * self.width(words, text), spot[1]
        face = cv2.FontFace("sans")
        cv2.putText(self._picture, words, _scaled(begin), text.colour, face, text.px * _SCALE)

    def save(self, path: Path) -> None:
        """Write a PNG to `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        small = cv2.resize(self._picture, self._size, interpolation=cv2.INTER_AREA)
        if not cv2.imwrite(str(path), small, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"{path} cannot be written")


def _scaled(spot: Spot) -> tuple[int, int]:
    return round(spot[0] * _SCALE), round(spot[1] * _SCALE)
