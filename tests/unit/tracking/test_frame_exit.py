"""Frame exit: a face that was seen to cross the border of the frame has left, and no other."""

from __future__ import annotations

import pytest

from blur_container.geometry import hull
from blur_container.settings import TrackSettings
from blur_container.tracking.frame_exit import frame_exit
from blur_container.tracking.trajectory import LOST, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
INTERVAL_MS = 500


def face(left: float) -> Box:
    """Return a face a tenth of the frame wide and high."""
    return Box(left, 0.4, 0.1, 0.1)


def trajectory(*places: tuple[float, float]) -> Trajectory:
    """Return a trajectory through (ms, left)."""
    return Trajectory(tuple(TrackedBox(time_ms, face(left)) for time_ms, left in places))


@pytest.mark.parametrize(
    ("steps", "sign"),
    [((-0.04, 0.0), -1), ((0.04, 0.0), 1), ((0.0, -0.04), -1), ((0.0, 0.04), 1)],
    ids=["left", "right", "top", "bottom"],
)
def test_face_that_crosses_a_border_departs(steps: tuple[float, float], sign: int) -> None:
    """Half outside and moving outward: soon after it is gone, and covered until then."""
    start = Box(0.45 + 0.42 * sign * bool(steps[0]), 0.45 + 0.42 * sign * bool(steps[1]), 0.1, 0.1)
    tracked_boxes = [
        TrackedBox(100 * step, Box(start.left + steps[0] * step, start.top + steps[1] * step, 0.1, 0.1))
        for step in (1, 2, 3)
    ]

    gone = frame_exit(Detection(0, start, 99.0), Trajectory(tuple(tracked_boxes)), INTERVAL_MS, SETTINGS)

    assert gone is not None
    assert 300 < gone.time_ms <= 300 + SETTINGS.hold_intervals * INTERVAL_MS
    assert hull([gone.box, tracked_boxes[-1].box]) == gone.box


def test_face_that_came_in_departs_backward_in_time() -> None:
    """Before its first detection it was outside."""
    back = trajectory((900, 0.03), (800, -0.01), (700, -0.05))

    gone = frame_exit(Detection(1000, face(0.07), 99.0), back, INTERVAL_MS, SETTINGS)

    assert gone is not None
    assert gone.time_ms < 700


@pytest.mark.parametrize(
    "found",
    [
        LOST,
        trajectory((100, 0.4), (200, 0.4)),
        trajectory((100, 0.0), (200, 0.0)),
        trajectory((100, -0.05), (200, -0.05), (300, -0.05)),
        trajectory((100, -0.08), (200, -0.06), (300, -0.05)),
        trajectory((100, -0.0500), (200, -0.0501), (300, -0.0502)),
    ],
    ids=["lost", "inside", "at the border", "at rest across it", "coming in", "hardly moving"],
)
def test_face_that_is_not_leaving_does_not_depart(found: Trajectory) -> None:
    """It may be anywhere near: it is held."""
    start = found.tracked_boxes[0].box if found.tracked_boxes else face(-0.05)

    assert frame_exit(Detection(0, start, 99.0), found, INTERVAL_MS, SETTINGS) is None


@pytest.mark.parametrize("before", [-0.04, -0.12999])
def test_face_found_wholly_outside_is_gone_at_once(before: float) -> None:
    """However slow it is outside: it needs no time to reach the border."""
    gone = frame_exit(Detection(0, face(before), 99.0), trajectory((200, -0.13)), INTERVAL_MS, SETTINGS)

    assert gone is not None
    assert gone.time_ms == 200
