"""The picture: time and price by the length of the video, a column of plots for each size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.plotting import COLOURS, GREY, GRID, INK, PAPER, Colour, Sheet, Spot, Text
from benchmarks.scale.model import LENGTHS, LIMIT_S, SIZES, Model, Video, Way, duration

_WIDTH, _HEIGHT = 1000, 700
_LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT, _ACROSS, _DOWN = 74, 96, 270, 236, 308, 300
_STEPS = 60
_SMALL = Text(13, GREY)
_TIMES = (10.0, 60.0, 600.0, 3600.0, 21_600.0)
_DOLLARS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_WAYS: Mapping[str, tuple[Colour, Callable[[Model, Video], Way]]] = {
    "Rekognition": (COLOURS[6], Model.rekognition),
    "AWS's sample": (COLOURS[1], Model.sample),
    "one function": (COLOURS[0], Model.single),
    "segments": (COLOURS[3], Model.segmented),
}


def draw_picture(path: Path, model: Model) -> None:
    """Write a PNG to `path`."""
    sheet = Sheet(_WIDTH, _HEIGHT)
    sheet.write("From faces to output on AWS, by length of the video: a model", (_LEFT, 32), Text(20))
    _legend(sheet)
    for number, (size, shape) in enumerate(SIZES.items()):
        left = _LEFT + number * _ACROSS
        sheet.write(size, (left, _TOP - 10), Text(14, INK))
        times = _Plot(sheet, left, _TOP, _TIMES)
        times.axes([duration(mark) for mark in _TIMES], named=number == 0)
        prices = _Plot(sheet, left, _TOP + _DOWN, _DOLLARS)
        prices.axes([f"$ {mark:g}" for mark in _DOLLARS], named=number == 0)
        for colour, way_of in _WAYS.values():
            ways = {seconds: way_of(model, Video(*shape, seconds)) for seconds in _lengths()}
            times.curve({at: way.wall_s for at, way in ways.items() if way.finishes}, colour)
            prices.curve({at: way.usd for at, way in ways.items() if way.finishes}, colour)
    foot = f"length of the video; a ring: a function would run longer than {LIMIT_S // 60} minutes"
    sheet.write(foot, (_WIDTH - 36, _HEIGHT - 14), _SMALL, align=1.0)
    sheet.save(path)


def _legend(sheet: Sheet) -> None:
    left = float(_LEFT)
    for name, (colour, _) in _WAYS.items():
        sheet.line((left, 54), (left + 24, 54), colour, 3)
        sheet.write(name, (left + 32, 59), Text(14, INK))
        left += 32 + sheet.width(name, Text(14)) + 28


def _lengths() -> list[float]:
    """Return lengths in seconds, evenly on a logarithmic scale."""
    first, last = min(LENGTHS.values()), max(LENGTHS.values())
    return [first * (last / first) ** (step / _STEPS) for step in range(_STEPS + 1)]


@dataclass(frozen=True)
class _Plot:
    """One plot with logarithmic scales; `marks` are the values at its lines from bottom to top."""

    sheet: Sheet
    left: float
    top: float
    marks: tuple[float, ...]

    def axes(self, names: list[str], *, named: bool) -> None:
        bottom, right = self.top + _PLOT_HEIGHT, self.left + _PLOT_WIDTH
        for mark, name in zip(self.marks, names, strict=True):
            y = self._spot(1.0, mark)[1]
            self.sheet.line((self.left, y), (right, y), GRID)
            if named:
                self.sheet.write(name, (self.left - 8, y + 5), _SMALL, align=1.0)
        for name, seconds in LENGTHS.items():
            x = self._spot(seconds, self.marks[0])[0]
            self.sheet.line((x, self.top), (x, bottom), GRID)
            self.sheet.write(name, (x, bottom + 20), _SMALL, align=0.5)

    def curve(self, values: Mapping[float, float], colour: Colour) -> None:
        """Draw a line through values by length; a ring where it ends before the longest."""
        spots = [self._spot(seconds, value) for seconds, value in values.items()]
        for begin, end in pairwise(spots):
            self.sheet.line(begin, end, colour, 3)
        if spots and max(values) < max(LENGTHS.values()):
            self.sheet.disc(spots[-1], 5, colour, PAPER)

    def _spot(self, seconds: float, value: float) -> Spot:
        first, last = min(LENGTHS.values()), max(LENGTHS.values())
        across = math.log(max(seconds, first) / first) / math.log(last / first)
        up = math.log(max(value, self.marks[0]) / self.marks[0]) / math.log(self.marks[-1] / self.marks[0])
        return self.left + across * _PLOT_WIDTH, self.top + (1 - up) * _PLOT_HEIGHT
