"""Scenes of the benchmark clips as values: heads, bars, cameras and their motion; nothing is drawn here.

Places are pixels of the frame seen by a camera at (0, 0) with zoom 1; times are seconds of the shot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

WIDTH, HEIGHT = 1280, 720
_RATE = Fraction(30)
_SHOT_S = 5


@dataclass(frozen=True)
class Place:
    """A face's centre and height in pixels, and its roll in degrees, at one moment."""

    time_s: float
    x: float
    y: float
    height: float = 120.0
    roll: float = 0.0


@dataclass(frozen=True)
class Actor:
    """A head that moves by keyframes; `visible_s` lists when it is shown, empty for always."""

    head: int
    keyframes: tuple[Place, ...]
    visible_s: tuple[tuple[float, float], ...] = ()
    soft: bool = False

    def place_at(self, time_s: float) -> Place | None:
        """Return the place at a moment of the shot, or None while the head is not shown."""
        if self.visible_s and not any(begin <= time_s < end for begin, end in self.visible_s):
            return None
        return _place_at(self.keyframes, time_s, soft=self.soft)


@dataclass(frozen=True)
class Bar:
    """An upright textured bar from top to bottom, `width` pixels wide, that moves by keyframes."""

    keyframes: tuple[Place, ...]
    width: float

    def place_at(self, time_s: float) -> Place:
        """Return the centre of the bar at a moment of the shot."""
        return _place_at(self.keyframes, time_s, soft=False)


@dataclass(frozen=True)
class Camera:
    """A camera: pan in pixels a second, zoom from one factor to another, shake in pixels."""

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: tuple[float, float] = (1.0, 1.0)
    zoom_s: float = 5.0
    shake: float = 0.0

    def view_at(self, time_s: float) -> View:
        """Return the camera's offset and zoom at a moment of the shot."""
        share = min(1.0, time_s / self.zoom_s)
        factor = self.zoom[0] * (self.zoom[1] / self.zoom[0]) ** share
        # Three frequencies, none a multiple of another, so that the motion does not repeat.
        shake_x = sum(math.sin(time_s * speed + 1.0) for speed in (9.0, 21.7, 38.9)) / 2 * self.shake
        shake_y = sum(math.sin(time_s * speed + 2.5) for speed in (7.3, 18.1, 33.1)) / 2 * self.shake
        return View(self.pan[0] * time_s + shake_x, self.pan[1] * time_s + shake_y, factor)


_RESTING = Camera()


@dataclass(frozen=True)
class View:
    """Offset of the camera from (0, 0), in pixels of the scene, and its zoom factor."""

    x: float
    y: float
    zoom: float

    def seen(self, place: Place) -> Place:
        """Return `place` of the scene in pixels of the frame."""
        return Place(
            place.time_s,
            (place.x - self.x - WIDTH / 2) * self.zoom + WIDTH / 2,
            (place.y - self.y - HEIGHT / 2) * self.zoom + HEIGHT / 2,
            place.height * self.zoom,
            place.roll,
        )


@dataclass(frozen=True)
class Shot:
    """One shot between two cuts; later `layers` are in front of earlier ones."""

    seconds: float
    background: str
    layers: tuple[Actor | Bar, ...]
    camera: Camera = _RESTING


@dataclass(frozen=True)
class Clip:
    """A clip to draw; with `missing_every` of n each n-th frame is left out: a variable rate."""

    name: str
    kind: str
    shots: tuple[Shot, ...]
    rate: Fraction = _RATE
    missing_every: int = 0


def one_shot(
    name: str,
    kind: str,
    background: str,
    *layers: Actor | Bar,
    camera: Camera = _RESTING,
    rate: Fraction = _RATE,
) -> Clip:
    """Return a clip of a single shot of 5 s."""
    return Clip(name, kind, (Shot(_SHOT_S, background, layers, camera),), rate)


def _place_at(keyframes: Sequence[Place], time_s: float, *, soft: bool) -> Place:
    """Return the place between the keyframes around `time_s`; it rests before and after them."""
    if time_s <= keyframes[0].time_s:
        return keyframes[0]
    for earlier, later in pairwise(keyframes):
        if time_s < later.time_s:
            share = (time_s - earlier.time_s) / (later.time_s - earlier.time_s)
            return _mixed(earlier, later, share * share * (3 - 2 * share) if soft else share)
    return keyframes[-1]


def _mixed(earlier: Place, later: Place, share: float) -> Place:
    return Place(
        earlier.time_s + (later.time_s - earlier.time_s) * share,
        earlier.x + (later.x - earlier.x) * share,
        earlier.y + (later.y - earlier.y) * share,
        earlier.height + (later.height - earlier.height) * share,
        earlier.roll + (later.roll - earlier.roll) * share,
    )
