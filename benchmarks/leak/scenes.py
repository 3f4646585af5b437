"""Scenes: what moves where in a benchmark clip, as values; nothing is drawn here.

Places are pixels of the frame while the camera rests at (0, 0) and zoom 1; times are seconds of the shot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Place:
    """Where a face is at a moment: its centre, its height in pixels, its roll in degrees."""

    time_s: float
    x: float
    y: float
    height: float = 120.0
    roll: float = 0.0


@dataclass(frozen=True)
class Actor:
    """A head on its way; `there` lists when it is in the picture (always, where it is empty)."""

    head: int
    way: tuple[Place, ...]
    there: tuple[tuple[float, float], ...] = ()
    soft: bool = False

    def place_at(self, time_s: float) -> Place | None:
        """Return the place at a moment of the shot, or None while the head is not in the picture."""
        if self.there and not any(begin <= time_s < end for begin, end in self.there):
            return None
        return _place_at(self.way, time_s, soft=self.soft)


@dataclass(frozen=True)
class Bar:
    """An upright textured bar from top to bottom, `width` pixels wide, on its way."""

    way: tuple[Place, ...]
    width: float

    def place_at(self, time_s: float) -> Place:
        """Return the place of the bar's middle at a moment of the shot."""
        return _place_at(self.way, time_s, soft=False)


@dataclass(frozen=True)
class Camera:
    """A camera: pan in pixels a second, zoom from one factor to another, shake in pixels."""

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: tuple[float, float] = (1.0, 1.0)
    zoom_s: float = 5.0
    shake: float = 0.0

    def view_at(self, time_s: float) -> View:
        """Return what the camera shows at a moment of the shot."""
        share = min(1.0, time_s / self.zoom_s)
        factor = self.zoom[0] * (self.zoom[1] / self.zoom[0]) ** share
        # Three hands' worth of frequencies, none a multiple of another.
        shake_x = sum(math.sin(time_s * speed + 1.0) for speed in (9.0, 21.7, 38.9)) / 2 * self.shake
        shake_y = sum(math.sin(time_s * speed + 2.5) for speed in (7.3, 18.1, 33.1)) / 2 * self.shake
        return View(self.pan[0] * time_s + shake_x, self.pan[1] * time_s + shake_y, factor)


@dataclass(frozen=True)
class View:
    """How far the camera is from its rest, in pixels of the scene, and how near it looks."""

    x: float
    y: float
    zoom: float

    def seen(self, place: Place) -> Place:
        """Return where in the frame something at `place` in the scene appears."""
        return Place(
            place.time_s,
            (place.x - self.x - WIDTH / 2) * self.zoom + WIDTH / 2,
            (place.y - self.y - HEIGHT / 2) * self.zoom + HEIGHT / 2,
            place.height * self.zoom,
            place.roll,
        )


@dataclass(frozen=True)
class Shot:
    """What lies between two cuts; the later of `layers` are in front."""

    seconds: float
    background: str
    layers: tuple[Actor | Bar, ...]
    camera: Camera = Camera()


@dataclass(frozen=True)
class Clip:
    """A clip to make; every n-th frame is missing where `missing_every` is not 0: its rate varies."""

    name: str
    kind: str
    shots: tuple[Shot, ...]
    rate: Fraction = Fraction(30)
    missing_every: int = 0


def _place_at(way: Sequence[Place], time_s: float, *, soft: bool) -> Place:
    """Return the place between the two points of the way around `time_s`; it rests before and after."""
    if time_s <= way[0].time_s:
        return way[0]
    for earlier, later in pairwise(way):
        if time_s < later.time_s:
            share = (time_s - earlier.time_s) / (later.time_s - earlier.time_s)
            return _mixed(earlier, later, share * share * (3 - 2 * share) if soft else share)
    return way[-1]


def _mixed(earlier: Place, later: Place, share: float) -> Place:
    return Place(
        earlier.time_s + (later.time_s - earlier.time_s) * share,
        earlier.x + (later.x - earlier.x) * share,
        earlier.y + (later.y - earlier.y) * share,
        earlier.height + (later.height - earlier.height) * share,
        earlier.roll + (later.roll - earlier.roll) * share,
    )
