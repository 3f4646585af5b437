"""Paths: faces that are followed from their detections, and where they were found on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.contract.faces import Box, Detection

# A detection's time is that of a frame in whole milliseconds; frames are farther apart.
_SAME_MS = 3.0
# The picture of a detection may be left out where little moves; then the nearest one tells.
_NEAR_MS = 70.0


class TrackedBox(NamedTuple):
    """Where a face was found in one picture."""

    time_ms: float
    box: Box


class Keyframe(NamedTuple):
    """A moment whose box is known; `flag` counts the sampling intervals that its margin grows for."""

    time_ms: float
    box: Box
    flag: float = 0.0


class FlowRequest(NamedTuple):
    """A face to follow from a detection until a moment, which may be earlier.

    `speed` is how fast it should move, in fractions of the frame a millisecond, across and down; None where
    nothing tells.
    """

    start: Detection
    until_ms: float
    speed: tuple[float, float] | None = None

    @property
    def leads_back(self) -> bool:
        """Return whether it leads back in time."""
        return self.until_ms < self.start.time_ms

    @property
    def begin_ms(self) -> float:
        """Return the earlier of its two moments."""
        return min(self.start.time_ms, self.until_ms)

    @property
    def end_ms(self) -> float:
        """Return the later of its two moments."""
        return max(self.start.time_ms, self.until_ms)


@dataclass(frozen=True)
class Trajectory:
    """The fixes of a chase without a gap, the first one nearest to its start."""

    tracked_boxes: tuple[TrackedBox, ...] = ()

    @property
    def length_ms(self) -> float:
        """Return how long the face was followed, from the first fix."""
        return (
            abs(self.tracked_boxes[-1].time_ms - self.tracked_boxes[0].time_ms) + 1
            if self.tracked_boxes
            else 0.0
        )

    def until(self, time_ms: float) -> Trajectory:
        """Return the path as far as `time_ms`, that moment included."""
        if len(self.tracked_boxes) < 2:  # noqa: PLR2004 a direction needs two
            return self
        backward = self.tracked_boxes[1].time_ms < self.tracked_boxes[0].time_ms
        kept = (
            tracked
            for tracked in self.tracked_boxes
            if (tracked.time_ms > time_ms - _SAME_MS if backward else tracked.time_ms < time_ms + _SAME_MS)
        )
        return Trajectory(tuple(kept))

    def box_at(self, time_ms: float) -> Box | None:
        """Return the box of the fix nearest to `time_ms`, or None where the path does not come near."""
        nearest = min(self.tracked_boxes, key=lambda tracked: abs(tracked.time_ms - time_ms), default=None)
        return nearest.box if nearest and abs(nearest.time_ms - time_ms) <= _NEAR_MS else None


LOST = Trajectory()
