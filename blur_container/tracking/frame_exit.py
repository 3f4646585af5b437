"""Departures: faces that were lost while they went out of the frame, and by when they have left."""

from __future__ import annotations

import math

from blur_container.geometry import hull, visible_share
from blur_container.settings import TrackSettings
from blur_container.tracking.trajectory import Keyframe, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection


def frame_exit(
    end: Detection, trajectory: Trajectory, interval_ms: int, settings: TrackSettings
) -> Keyframe | None:
    """Return when a face that was last seen half across the border has left, or None where it has not.

    It is covered where it was last seen for longer than it needs at its speed.
    """
    tracked_boxes = [TrackedBox(end.time_ms, end.box), *trajectory.tracked_boxes]
    last = tracked_boxes[-1]
    stride_ms = settings.stride_intervals * interval_ms
    before = next(
        (tracked for tracked in reversed(tracked_boxes) if abs(tracked.time_ms - last.time_ms) >= stride_ms),
        tracked_boxes[0],
    )
    elapsed_ms = last.time_ms - before.time_ms
    if not elapsed_ms or visible_share(last.box) > settings.leaving_share_max:
        return None
    went_x = (last.box.left + last.box.right - before.box.left - before.box.right) / 2
    went_y = (last.box.top + last.box.bottom - before.box.top - before.box.bottom) / 2
    strides = settings.leaving_slack * _strides_left(last.box, went_x, went_y)
    wait_ms = strides * abs(elapsed_ms)
    if wait_ms > settings.hold_intervals * interval_ms:
        return None
    gone = Box(
        last.box.left + went_x * strides, last.box.top + went_y * strides, last.box.width, last.box.height
    )
    time_ms = last.time_ms + math.copysign(wait_ms, elapsed_ms)
    return Keyframe(time_ms, hull([last.box, gone]), settings.follow_doubt)


def _strides_left(box: Box, went_x: float, went_y: float) -> float:
    """Return how often a face has to go as far again until it is outside; infinite where it never will."""
    interpolations = (
        (box.right, -went_x, box.left < 0),
        (1 - box.left, went_x, box.right > 1),
        (box.bottom, -went_y, box.top < 0),
        (1 - box.top, went_y, box.bottom > 1),
    )
    return min(
        (max(left, 0.0) / went for left, went, crosses in interpolations if crosses and went > 0),
        default=math.inf,
    )
