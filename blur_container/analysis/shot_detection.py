"""Cuts: two neighbouring pictures that show two shots, and glitches, which only look like it.

A decoder can go on with broken data and know nothing of it: FFmpeg's HEVC decoder noticed half of the
packets in which bytes were changed, that of VP9 a third. What it then shows is another picture until the
next keyframe, with a change of shot at both ends, between two pictures of one shot.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np

from blur_container.geometry import Picture
from blur_container.tracking.observations import GLITCH_MAX_MS, Glitch

_THUMBNAIL = (64, 36)
_BINS = 32
# Of 256 steps of luma: what moves inside a shot changes a thumbnail less.
_CHANGE_MIN = 18.0
# Times the usual change: a shaking camera changes every picture.
_TIMES_USUAL = 3.0
# Of 1: the share of pixels that lie in other bins of brightness. What only moves keeps its brightness.
_HISTOGRAM_MIN = 0.25
# Correlation: a flash or a lamp changes all brightness at once, and leaves the shapes where they are.
_SAME_SHAPES = 0.7
_TINY = 1e-3
# Correlation of the middle of one picture with that part of another that is most like it.
_SAME_SHOT = 0.85
# Rows and columns at each border that a camera may have moved over meanwhile.
_MOVED_ROWS, _MOVED_COLUMNS = 4, 8
# In flicker every picture begins a shot: more changes at once are not looked after.
_OPEN_MAX = 32
# A shot this short at the start or the end of a video has no other beside it that tells of a glitch.
_EDGE_MS = 500
# How fast the usual change is learnt.
_LEARNING = 0.2
# How long a change is remembered: looks that begin at different moments soon agree on what is usual.
MEMORY_MS = 800.0


class ShotBoundaryDetector:
    """Tells of each picture in turn whether a shot begins with it."""

    def __init__(self) -> None:
        self._before: Picture | None = None
        self._changes: deque[tuple[float, float]] = deque()
        self.change = 0.0

    def begins_shot(self, picture: Picture, time_ms: float) -> bool:
        """Return whether `picture` shows another shot than the one before; the first begins none."""
        thumbnail = thumbnail_of(picture)
        before, self._before = self._before, thumbnail
        if before is None:
            return False
        change = self.change = float(np.abs(thumbnail.astype(np.int16) - before).mean())
        if (
            change < max(_CHANGE_MIN, _TIMES_USUAL * self._usual(time_ms))
            or _histogram_change(before, thumbnail) < _HISTOGRAM_MIN
            or _correlation(before, thumbnail) > _SAME_SHAPES
        ):
            self._changes.append((time_ms, change))
            return False
        return True

    def _usual(self, time_ms: float) -> float:
        while self._changes and self._changes[0][0] < time_ms - MEMORY_MS:
            self._changes.popleft()
        usual = 0.0
        for _, change in self._changes:
            usual += _LEARNING * (change - usual)
        return usual


class GlitchDetector:
    """Tells where pictures at both ends of changes of shot show one shot all the same.

    It looks back from the first picture after a change, and onward from the last one before it, for
    GLITCH_MAX_MS: the same is told wherever looking begins, unless it is later than that before a change.
    Where the video begins or ends beside a short shot there is nothing to compare with: it is none.
    """

    def __init__(self) -> None:
        self._past: deque[tuple[float, Picture]] = deque()
        # Last pictures before changes behind which nothing like them was seen yet.
        self._open: deque[tuple[float, Picture]] = deque(maxlen=_OPEN_MAX)

    def see(self, picture: Picture, time_ms: float, *, begins_shot: bool) -> Iterator[Glitch]:
        """Take the next picture, which is shown at `time_ms`; yield the glitches that end with it."""
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
        """Yield the glitches that last until the end: the video has no more pictures."""
        last_ms = self._past[-1][0] if self._past else 0.0
        for before_ms, _ in self._open:
            if before_ms >= last_ms - _EDGE_MS:
                yield _between(before_ms, last_ms)


def _between(before_ms: float, after_ms: float) -> Glitch:
    return Glitch(math.ceil(before_ms), math.floor(after_ms))


def thumbnail_of(picture: Picture) -> Picture:
    """Return what is compared of a picture: uint8 (36, 64)."""
    return np.asarray(cv2.resize(picture, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)


def is_same_shot(one: Picture, other: Picture) -> bool:
    """Return whether the middle of one thumbnail is found in another; plain ones must be equally bright."""
    middle = one[_MOVED_ROWS:-_MOVED_ROWS, _MOVED_COLUMNS:-_MOVED_COLUMNS]
    if middle.std() < 1 or other.std() < 1:
        return float(np.abs(one.astype(np.int16) - other).mean()) < 1
    return float(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED).max()) > _SAME_SHOT


def _histogram_change(before: Picture, after: Picture) -> float:
    one, other = (
        np.bincount(picture.ravel() // (256 // _BINS), minlength=_BINS) for picture in (before, after)
    )
    return float(np.abs(one - other).sum()) / 2 / before.size


def _correlation(before: Picture, after: Picture) -> float:
    """Return from -1 to 1 how alike two pictures are but for their light; 0 where one is plain."""
    one, other = (picture - picture.mean(dtype=np.float64) for picture in (before, after))
    lengths = float(np.vdot(one, one) * np.vdot(other, other)) ** 0.5
    return float(np.vdot(one, other)) / lengths if lengths > _TINY else 0.0
