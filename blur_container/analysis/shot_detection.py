"""Shot detection: boundaries between two shots, and glitches, which only resemble them.

A decoder can go on with broken data unnoticed: FFmpeg's HEVC decoder noticed half of the packets in which
bytes were changed, its VP9 decoder a third. It then returns wrong pictures until the next keyframe: two
apparent shot boundaries within one shot.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np

from blur_container.analysis.optical_flow import correlation
from blur_container.geometry import Picture
from blur_container.tracking.observations import GLITCH_MAX_MS, Glitch

_THUMBNAIL = (64, 36)
_BINS = 32
# Mean change of a thumbnail in steps of luma, of 256: motion within a shot changes it less.
_CHANGE_MIN = 18.0
# Multiple of the usual change: a shaking camera changes every picture.
_TIMES_USUAL = 3.0
# Share of pixels in other bins of brightness: an object that only moves keeps its brightness.
_HISTOGRAM_MIN = 0.25
# Correlation: a flash or a lamp changes the brightness, and leaves the shapes in place.
_SAME_SHAPES = 0.7
# Correlation of the middle of one picture with the best matching part of another.
_SAME_SHOT = 0.85
# Rows and columns at each border that a camera may have moved across meanwhile.
_MOVED_ROWS, _MOVED_COLUMNS = 4, 8
# In flicker every picture begins a shot: more open changes than this are dropped.
_OPEN_MAX = 32
# A shot this short at the start or the end of a video may be a glitch: it has a neighbour on one side only.
_EDGE_MS = 500
# Weight of each new change in the usual one.
_LEARNING = 0.2
# Changes older than this are forgotten, so that passes with different starts soon agree.
MEMORY_MS = 800.0


class ShotBoundaryDetector:
    """Decides for each picture of a video in turn whether it begins a shot.

    `change` is the mean difference of the last two thumbnails in steps of luma.
    """

    def __init__(self) -> None:
        self._before: Picture | None = None
        self._changes: deque[tuple[float, float]] = deque()
        self.change = 0.0

    def begins_shot(self, picture: Picture, time_ms: float) -> bool:
        """Return whether `picture` begins a shot; the first picture does not."""
        thumbnail = thumbnail_of(picture)
        before, self._before = self._before, thumbnail
        if before is None:
            return False
        change = self.change = float(np.abs(thumbnail.astype(np.int16) - before).mean())
        if (
            change < max(_CHANGE_MIN, _TIMES_USUAL * self._usual(time_ms))
            or _histogram_change(before, thumbnail) < _HISTOGRAM_MIN
            or _shape_correlation(before, thumbnail) > _SAME_SHAPES
        ):
            self._changes.append((time_ms, change))
            return False
        return True

    def _usual(self, time_ms: float) -> float:
        """Return the running average of the remembered changes within shots."""
        while self._changes and self._changes[0][0] < time_ms - MEMORY_MS:
            self._changes.popleft()
        usual = 0.0
        for _, change in self._changes:
            usual += _LEARNING * (change - usual)
        return usual


class GlitchDetector:
    """Finds glitches: apparent shot boundaries with the same shot on both sides.

    Compares the first picture after a boundary with earlier ones, and the last one before it with later ones,
    within GLITCH_MAX_MS. The result does not depend on where it starts, if that is GLITCH_MAX_MS or more
    before the boundary. A short shot at the start or the end of the video counts as a glitch, because its
    other side is missing.
    """

    def __init__(self) -> None:
        self._past: deque[tuple[float, Picture]] = deque()
        # Last pictures before boundaries after which the same shot was not found yet.
        self._open: deque[tuple[float, Picture]] = deque(maxlen=_OPEN_MAX)

    def see(self, picture: Picture, time_ms: float, *, begins_shot: bool) -> Iterator[Glitch]:
        """Take the next picture, shown at `time_ms`; yield the glitches that end with it."""
        thumbnail, oldest_ms = thumbnail_of(picture), time_ms - GLITCH_MAX_MS
        for pictures in (self._past, self._open):
            while pictures and pictures[0][0] < oldest_ms:
                pictures.popleft()
        for before in list(self._open):
            if is_same_shot(before[1], thumbnail):
                self._open.remove(before)
                yield _between(before[0], time_ms)
        if begins_shot and self._past:
            like = (past for past in reversed(self._past) if is_same_shot(past[1], thumbnail))
            if (found := next(like, None)) is not None:
                yield _between(found[0], time_ms)
            if time_ms <= _EDGE_MS:
                yield _between(0.0, time_ms)
            self._open.append(self._past[-1])
        self._past.append((time_ms, thumbnail))

    def finish(self) -> Iterator[Glitch]:
        """Yield the glitches at the end of the video, after its last picture."""
        last_ms = self._past[-1][0] if self._past else 0.0
        for before_ms, _ in self._open:
            if before_ms >= last_ms - _EDGE_MS:
                yield _between(before_ms, last_ms)


def _between(before_ms: float, after_ms: float) -> Glitch:
    """Return a glitch, its times rounded inward to whole milliseconds."""
    return Glitch(math.ceil(before_ms), math.floor(after_ms))


def thumbnail_of(picture: Picture) -> Picture:
    """Return a picture scaled down to uint8 (36, 64) for comparison."""
    return np.asarray(cv2.resize(picture, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)


def is_same_shot(one: Picture, other: Picture) -> bool:
    """Return whether the middle of one thumbnail matches another; plain ones must be equally bright."""
    middle = one[_MOVED_ROWS:-_MOVED_ROWS, _MOVED_COLUMNS:-_MOVED_COLUMNS]
    if middle.std() < 1 or other.std() < 1:
        return float(np.abs(one.astype(np.int16) - other).mean()) < 1
    return float(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED).max()) > _SAME_SHOT


def _histogram_change(before: Picture, after: Picture) -> float:
    """Return the share of pixels that are in other bins of brightness, from 0 to 1."""
    one, other = (
        np.bincount(picture.ravel() // (256 // _BINS), minlength=_BINS) for picture in (before, after)
    )
    return float(np.abs(one - other).sum()) / 2 / before.size


def _shape_correlation(before: Picture, after: Picture) -> float:
    """Return the correlation of two pictures apart from brightness and contrast; 0 if one is plain."""
    one, other = (picture - picture.mean(dtype=np.float64) for picture in (before, after))
    return correlation(one, other, of_plain=0.0)
