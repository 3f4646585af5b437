"""The picture: leak against over-blur, a mark per method, drawn by OpenCV with its own font."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.leak_metrics import Score

# Drawn at twice the size that is written: markers have no smooth edges of their own.
_SCALE = 2
_WIDTH, _HEIGHT = 1000, 640
_PLOT = (96, 74, 960, 560)  # Left, top, right, bottom.
_LEAK_MIN, _LEAK_MAX = 0.01, 100.0
_INK, _GREY, _GRID, _PAPER = (40, 36, 32), (120, 112, 104), (228, 224, 220), (255, 255, 255)
# Blue, green and red of one mark after the other.
_COLOURS = (
    (70, 70, 200),
    (40, 140, 230),
    (20, 130, 150),
    (150, 90, 30),
    (110, 140, 20),
    (140, 60, 140),
    (90, 90, 90),
)
_MARK_PX, _TEXT_PX, _SMALL_PX = 8, 16, 13
_GAP_PX = 14

_Spot = tuple[float, float]
_Area = tuple[float, float, float, float]


def draw_picture(path: Path, title: str, scores: Mapping[str, Score]) -> None:
    """Write a PNG to `path`: over-blur to the right, leak in percent upwards on a logarithmic scale."""
    sheet = _Sheet(max((score.over_blur for score in scores.values()), default=1.0))
    sheet.draw_axes(title)
    for index, score in enumerate(scores.values()):
        sheet.draw_mark(score, _COLOURS[index % len(_COLOURS)])
    for index, (name, score) in enumerate(scores.items()):
        sheet.draw_name(name, score, _COLOURS[index % len(_COLOURS)])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.write(path)


@dataclass(frozen=True)
class _Text:
    """How a text is set: its size in pixels and its colour."""

    px: int = _TEXT_PX
    colour: tuple[int, int, int] = _INK


class _Sheet:
    """The picture while it is drawn; places are pixels of the written picture."""

    def __init__(self, over_blur_max: float) -> None:
        self._picture: NDArray[np.uint8] = np.full((_HEIGHT * _SCALE, _WIDTH * _SCALE, 3), _PAPER, np.uint8)
        self._right = max(1.0, math.ceil(over_blur_max * 2.2) / 2)
        self._taken: list[_Area] = []

    def draw_axes(self, title: str) -> None:
        left, top, right, bottom = _PLOT
        for leak in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100):
            y = self._y(leak)
            self._line((left, y), (right, y), _GRID)
            self._write_at(f"{leak:g} %", (left - 12, y + 5), _Text(_SMALL_PX, _GREY), align=1.0)
        step = 0.5 if self._right <= 4 else 1.0  # noqa: PLR2004 more lines than eight are noise
        for number in range(int(self._right / step) + 1):
            x = self._x(number * step)
            self._line((x, top), (x, bottom), _GRID)
            self._write_at(f"{number * step:g}", (x, bottom + 22), _Text(_SMALL_PX, _GREY), align=0.5)
        self._write_at(title, (left, 32), _Text(20))
        legend = "dot: less than 50 % of the face covered; ring: less than 95 %"
        self._write_at(f"Share of face-frames that leak ({legend})", (left, 58), _Text(_SMALL_PX, _GREY))
        across = "Over-blur: area covered outside faces, in areas of the faces"
        self._write_at(across, (right, bottom + 48), _Text(_SMALL_PX, _GREY), align=1.0)

    def draw_mark(self, score: Score, colour: tuple[int, int, int]) -> None:
        dot, ring = self._spots(score)
        self._line(dot, ring, colour, thickness=2)
        for spot, paint in ((ring, _PAPER), (dot, colour)):
            cv2.circle(self._picture, _scaled(spot), _MARK_PX * _SCALE, paint, -1, cv2.LINE_AA)
            cv2.circle(self._picture, _scaled(spot), _MARK_PX * _SCALE, colour, 2 * _SCALE, cv2.LINE_AA)
        self._taken.append((dot[0] - _MARK_PX, ring[1] - _MARK_PX, dot[0] + _MARK_PX, dot[1] + _MARK_PX))

    def draw_name(self, name: str, score: Score, colour: tuple[int, int, int]) -> None:
        (x, y), _ = self._spots(score)
        text = _Text(_TEXT_PX, colour)
        areas = list(_places(x, y, self._width(name, text)))
        area = next((area for area in areas if self._is_free(area)), areas[0])
        self._taken.append(area)
        self._write_at(name, (area[0], area[3] - 4), text)

    def write(self, path: Path) -> None:
        small = cv2.resize(self._picture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        if not cv2.imwrite(str(path), small, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"{path} cannot be written")

    def _spots(self, score: Score) -> tuple[_Spot, _Spot]:
        x = self._x(score.over_blur)
        return (x, self._y(100 * score.leak_50)), (x, self._y(100 * score.leak_95))

    def _x(self, over_blur: float) -> float:
        return _PLOT[0] + (_PLOT[2] - _PLOT[0]) * over_blur / self._right

    def _y(self, percent: float) -> float:
        share = math.log(max(percent, _LEAK_MIN) / _LEAK_MIN) / math.log(_LEAK_MAX / _LEAK_MIN)
        return _PLOT[3] - (_PLOT[3] - _PLOT[1]) * share

    def _is_free(self, area: _Area) -> bool:
        inside = area[0] > _PLOT[0] and area[2] < _WIDTH and area[1] > _PLOT[1] and area[3] < _PLOT[3]
        return inside and not any(_meet(area, taken) for taken in self._taken)

    def _line(self, begin: _Spot, end: _Spot, colour: Sequence[int], thickness: int = 1) -> None:
        cv2.line(self._picture, _scaled(begin), _scaled(end), colour, thickness * _SCALE, cv2.LINE_AA)

    def _width(self, words: str, text: _Text) -> float:
        _, _, width, _ = cv2.getTextSize((0, 0), words, (0, 0), cv2.FontFace("sans"), text.px * _SCALE)
        return float(width / _SCALE)

    def _write_at(self, words: str, spot: _Spot, text: _Text, align: float = 0.0) -> None:
        begin = spot[0] - align * self._width(words, text), spot[1]
        face = cv2.FontFace("sans")
        cv2.putText(self._picture, words, _scaled(begin), text.colour, face, text.px * _SCALE)


def _places(x: float, y: float, width: float) -> Iterator[_Area]:
    """Yield where a text of that width may stand beside a mark, the best first."""
    half = _TEXT_PX / 2 + 3
    for drop in (0, 14, -14, 28, -28):
        yield x + _GAP_PX, y + drop - half, x + _GAP_PX + width, y + drop + half
        yield x - _GAP_PX - width, y + drop - half, x - _GAP_PX, y + drop + half


def _meet(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _scaled(spot: _Spot) -> tuple[int, int]:
    return round(spot[0] * _SCALE), round(spot[1] * _SCALE)
