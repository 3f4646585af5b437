"""Trajectories: requests to follow a face from a detection, and the boxes that optical flow found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.contract.faces import Box, Detection

# A detection's time is that of a frame in whole milliseconds; frames are farther apart.
_SAME_MS = 3.0
# The frame of a detection may be skipped where little moves; then the nearest decoded frame counts.
_NEAR_MS = 70.0


class TrackedBox(NamedTuple):
    """The box of a followed face in one frame."""

    time_ms: float
    box: Box


class Keyframe(NamedTuple):
    """A known box of a track; `uncertainty` is how much its margin grows, in sampling intervals."""

    time_ms: float
    box: Box
    uncertainty: float = 0.0


class FlowRequest(NamedTuple):
    """A face to follow from a detection to `until_ms`, which may be earlier than the detection.

    `speed` is the expected motion (across, down) in fractions of the frame per millisecond; None if unknown.
    """

    start: Detection
    until_ms: float
    speed: tuple[float, float] | None = None

    @property
    def leads_back(self) -> bool:
        """Return whether the face is followed backward in time."""
        return self.until_ms < self.start.time_ms

    @property
    def begin_ms(self) -> float:
        """Return the earlier end of the request."""
        return min(self.start.time_ms, self.until_ms)

    @property
    def end_ms(self) -> float:
        """Return the later end of the request."""
        return max(self.start.time_ms, self.until_ms)


@dataclass(frozen=True)
class Trajectory:
    """The boxes that answer one flow request, without a gap, beginning next to its detection."""

    tracked_boxes: tuple[TrackedBox, ...] = ()

    @property
    def length_ms(self) -> float:
        """Return the time from the first to the last box, plus 1; 0 if there is no box."""
        return (
            abs(self.tracked_boxes[-1].time_ms - self.tracked_boxes[0].time_ms) + 1
            if self.tracked_boxes
            else 0.0
        )

    def until(self, time_ms: float) -> Trajectory:
        """Return the trajectory up to and including `time_ms`, in its own direction of time."""
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
        """Return the box nearest to `time_ms`, or None if all are more than 70 ms away."""
        nearest = min(self.tracked_boxes, key=lambda tracked: abs(tracked.time_ms - time_ms), default=None)
        return nearest.box if nearest and abs(nearest.time_ms - time_ms) <= _NEAR_MS else None


LOST = Trajectory()
