"""Cuts: two neighbouring pictures that show two shots."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from blur_container.following import Picture

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
# How fast the usual change is learnt.
_LEARNING = 0.2
# How long a change is remembered: looks that begin at different moments soon agree on what is usual.
MEMORY_MS = 800.0


class CutFinder:
    """Tells of each picture in turn whether a shot begins with it."""

    def __init__(self) -> None:
        self._before: Picture | None = None
        self._changes: deque[tuple[float, float]] = deque()
        self.change = 0.0

    def begins_shot(self, picture: Picture, time_ms: float) -> bool:
        """Return whether `picture` shows another shot than the one before; the first begins none."""
        thumbnail = np.asarray(cv2.resize(picture, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)
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
