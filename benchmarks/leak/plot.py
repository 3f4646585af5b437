"""The picture: leak against over-blur, a mark per method, drawn by OpenCV with its own font."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.leak.metrics import Score
from benchmarks.plotting import COLOURS, GREY, GRID, PAPER, Colour, Sheet, Spot, Text

_WIDTH, _HEIGHT = 1000, 640
_PLOT = (96, 74, 960, 560)  # Left, top, right, bottom.
_LEAK_MIN, _LEAK_MAX = 0.01, 100.0
_MARK_PX, _TEXT_PX, _SMALL_PX = 8, 16, 13
_GAP_PX = 14

_Area = tuple[float, float, float, float]


def draw_picture(path: Path, title: str, scores: Mapping[str, Score]) -> None:
    """Write a PNG to `path`: over-blur to the right, leak in percent upwards on a logarithmic scale."""
    sheet = _LeakSheet(max((score.over_blur for score in scores.values()), default=1.0))
    sheet.draw_axes(title)
    for index, score in enumerate(scores.values()):
        sheet.draw_mark(score, COLOURS[index % len(COLOURS)])
    for index, (name, score) in enumerate(scores.items()):
        sheet.draw_name(name, score, COLOURS[index % len(COLOURS)])
    sheet.save(path)


class _LeakSheet(Sheet):
    """The picture while it is drawn; places are pixels of the written picture."""

    def __init__(self, over_blur_max: float) -> None:
        super().__init__(_WIDTH, _HEIGHT)
        self._right = max(1.0, math.ceil(over_blur_max * 2.2) / 2)
        self._taken: list[_Area] = []

    def draw_axes(self, title: str) -> None:
        left, top, right, bottom = _PLOT
        for leak in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100):
            y = self._y(leak)
            self.line((left, y), (right, y), GRID)
            self.write(f"{leak:g} %", (left - 12, y + 5), Text(_SMALL_PX, GREY), align=1.0)
        step = 0.5 if self._right <= 4 else 1.0  # noqa: PLR2004 more lines than eight are noise
        for number in range(int(self._right / step) + 1):
            x = self._x(number * step)
            self.line((x, top), (x, bottom), GRID)
            self.write(f"{number * step:g}", (x, bottom + 22), Text(_SMALL_PX, GREY), align=0.5)
        self.write(title, (left, 32), Text(20))
        legend = "dot: less than 50 % of the face covered; ring: less than 95 %"
        self.write(f"Share of face-frames that leak ({legend})", (left, 58), Text(_SMALL_PX, GREY))
        across = "Over-blur: area covered outside faces, in areas of the faces"
        self.write(across, (right, bottom + 48), Text(_SMALL_PX, GREY), align=1.0)

    def draw_mark(self, score: Score, colour: Colour) -> None:
        dot, ring = self._spots(score)
        self.line(dot, ring, colour, thickness=2)
        self.disc(ring, _MARK_PX, colour, PAPER)
        self.disc(dot, _MARK_PX, colour)
        self._taken.append((dot[0] - _MARK_PX, ring[1] - _MARK_PX, dot[0] + _MARK_PX, dot[1] + _MARK_PX))

    def draw_name(self, name: str, score: Score, colour: Colour) -> None:
        (x, y), _ = self._spots(score)
        text = Text(_TEXT_PX, colour)
        areas = list(_places(x, y, self.width(name, text)))
        area = next((area for area in areas if self._is_free(area)), areas[0])
        self._taken.append(area)
        self.write(name, (area[0], area[3] - 4), text)

    def _spots(self, score: Score) -> tuple[Spot, Spot]:
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


def _places(x: float, y: float, width: float) -> Iterator[_Area]:
    """Yield where a text of that width may stand beside a mark, the best first."""
    half = _TEXT_PX / 2 + 3
    for drop in (0, 14, -14, 28, -28):
        yield x + _GAP_PX, y + drop - half, x + _GAP_PX + width, y + drop + half
        yield x - _GAP_PX - width, y + drop - half, x - _GAP_PX, y + drop + half


def _meet(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
