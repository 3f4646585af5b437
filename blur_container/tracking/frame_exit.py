"""Frame exit: decide whether a lost face was leaving the frame, and when it is gone."""

from __future__ import annotations

import math

from blur_container.geometry import centre_shift, hull, visible_share
from blur_container.settings import TrackSettings
from blur_container.tracking.trajectory import Keyframe, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection


def frame_exit(
    end: Detection, trajectory: Trajectory, interval_ms: int, settings: TrackSettings
) -> Keyframe | None:
    """Return the keyframe at which a face that was leaving is outside, or None if it was not leaving.

    A face was leaving if it was last seen partly outside and moving outward. The keyframe's box covers the
    last box and the exit; its time leaves half as long again as the face needs at its speed.
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
    shift_x, shift_y = centre_shift(before.box, last.box)
    strides = settings.leaving_slack * _strides_left(last.box, shift_x, shift_y)
    wait_ms = strides * abs(elapsed_ms)
    if wait_ms > settings.hold_intervals * interval_ms:
        return None
    gone = Box(
        last.box.left + shift_x * strides, last.box.top + shift_y * strides, last.box.width, last.box.height
    )
    time_ms = last.time_ms + math.copysign(wait_ms, elapsed_ms)
    return Keyframe(time_ms, hull([last.box, gone]), settings.flow_uncertainty)


def _strides_left(box: Box, shift_x: float, shift_y: float) -> float:
    """Return how many more shifts take a box out of the frame; infinite if it does not move outward."""
    borders = (
        (box.right, -shift_x, box.left < 0),
        (1 - box.left, shift_x, box.right > 1),
        (box.bottom, -shift_y, box.top < 0),
        (1 - box.top, shift_y, box.bottom > 1),
    )
    return min(
        (max(left, 0.0) / outward for left, outward, crosses in borders if crosses and outward > 0),
        default=math.inf,
    )
