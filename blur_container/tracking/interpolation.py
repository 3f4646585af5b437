"""Ways: where a face is between its detections, from what was followed in the pictures and what was not.

From each detection a face can be followed onward and back. Where a path leads from one detection to another
it tells the way; where none does, the mask grows until it holds all paths and the straight line as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blur_container.geometry import between, distance_faces, hull
from blur_container.settings import TrackSettings
from blur_container.tracking.frame_exit import frame_exit
from blur_container.tracking.trajectory import Keyframe, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection


@dataclass(frozen=True)
class Interpolation:
    """The knots between two detections, or beyond one; `certain` where pictures show how it ends."""

    keyframes: tuple[Keyframe, ...]
    certain: bool


UNSEEN = Interpolation((), certain=False)


def interpolation_between(
    earlier: Detection, later: Detection, onward: Trajectory, back: Trajectory, settings: TrackSettings
) -> Interpolation:
    """Return the way from one detection to a later one; `onward` and `back` lie between both."""
    line = _Line(earlier, later)
    ahead, behind = line.drawn_to_end(onward, settings), line.drawn_to_start(back, settings)
    if ahead and behind:
        keyframes = [_blended(line, one, other, settings) for one, other in _together(ahead, behind)]
    else:
        keyframes = [Keyframe(*tracked) for tracked in ahead or behind or line.met(onward, back, settings)]
    certain = bool(keyframes)
    keyframes = keyframes or list(line.in_doubt(onward, back, settings))
    between_both = (keyframe for keyframe in keyframes if earlier.time_ms < keyframe.time_ms < later.time_ms)
    return Interpolation(tuple(between_both), certain)


def doubtful_interpolation(
    earlier: Detection, later: Detection, onward: Trajectory, back: Trajectory, settings: TrackSettings
) -> Interpolation:
    """Return the way from one detection to a later one as if neither path had been followed rightly."""
    keyframes = _Line(earlier, later).in_doubt(onward, back, settings)
    return Interpolation(
        tuple(keyframe for keyframe in keyframes if earlier.time_ms < keyframe.time_ms < later.time_ms),
        certain=False,
    )


def interpolation_to_border(
    end: Detection, trajectory: Trajectory, interval_ms: int, settings: TrackSettings
) -> Interpolation:
    """Return the way beyond the first or last detection of a track, nearest knot first.

    It is certain where the face was seen to leave the frame.
    """
    keyframes = [
        Keyframe(
            tracked.time_ms,
            tracked.box,
            settings.follow_doubt * abs(tracked.time_ms - end.time_ms) / interval_ms,
        )
        for tracked in trajectory.tracked_boxes
    ]
    gone = frame_exit(end, trajectory, interval_ms, settings)
    return Interpolation((*keyframes, gone) if gone else tuple(keyframes), gone is not None)


@dataclass(frozen=True)
class _Line:
    """The straight way from one detection to a later one."""

    earlier: Detection
    later: Detection

    def share(self, time_ms: float) -> float:
        share = (time_ms - self.earlier.time_ms) / (self.later.time_ms - self.earlier.time_ms)
        return min(max(share, 0.0), 1.0)

    def at(self, time_ms: float) -> Box:
        return between(self.earlier.box, self.later.box, self.share(time_ms))

    def drawn_to_end(self, trajectory: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the fixes of a path from the start, moved so that it ends in the later detection."""
        arrival, goal = trajectory.box_at(self.later.time_ms), self.later.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [
            TrackedBox(t, _shifted(box, arrival, goal, self.share(t))) for t, box in trajectory.tracked_boxes
        ]

    def drawn_to_start(self, trajectory: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the fixes of a path from the end, in time, moved so that it begins in the earlier one."""
        arrival, goal = trajectory.box_at(self.earlier.time_ms), self.earlier.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [
            TrackedBox(t, _shifted(box, arrival, goal, 1 - self.share(t)))
            for t, box in reversed(trajectory.tracked_boxes)
        ]

    def met(self, onward: Trajectory, back: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the fixes of both paths, in time, where they meet before either arrives."""
        if onward.box_at(self.later.time_ms) or back.box_at(self.earlier.time_ms):
            return []  # It arrived elsewhere: two faces crossed.
        others = {tracked.time_ms: tracked.box for tracked in back.tracked_boxes}
        for place, tracked in enumerate(onward.tracked_boxes):
            other = others.get(tracked.time_ms)
            if other is not None and distance_faces(tracked.box, other) <= settings.agree_faces:
                rest = [later for later in reversed(back.tracked_boxes) if later.time_ms > tracked.time_ms]
                return [*onward.tracked_boxes[: place + 1], *rest]
        return []

    def in_doubt(self, onward: Trajectory, back: Trajectory, settings: TrackSettings) -> Iterator[Keyframe]:
        """Yield knots that hold every place the face may have been in."""
        length_ms = self.later.time_ms - self.earlier.time_ms
        reach_ms = settings.line_hull_intervals * length_ms
        steps = (length_ms * step / settings.line_steps for step in range(settings.line_steps + 1))
        ahead = [TrackedBox(self.earlier.time_ms, self.earlier.box), *onward.tracked_boxes]
        behind = [*reversed(back.tracked_boxes), TrackedBox(self.later.time_ms, self.later.box)]
        looked_at = {tracked.time_ms for tracked in (*onward.tracked_boxes, *back.tracked_boxes)}
        for time_ms in sorted({self.earlier.time_ms + step for step in steps} | looked_at):
            found = [*_at(ahead, time_ms), *_at(behind, time_ms)]
            if not found:
                found = [_across(ahead[-1], behind[0], time_ms)]
            around = [self.at(time_ms - reach_ms), self.at(time_ms), self.at(time_ms + reach_ms)]
            yield Keyframe(time_ms, hull([*found, *around]))


def _shifted(box: Box, wrong: Box, right: Box, share: float) -> Box:
    return Box(
        box.left + (right.left - wrong.left) * share,
        box.top + (right.top - wrong.top) * share,
        max(box.width + (right.width - wrong.width) * share, 0.0),
        max(box.height + (right.height - wrong.height) * share, 0.0),
    )


def _blended(line: _Line, ahead: TrackedBox, behind: TrackedBox, settings: TrackSettings) -> Keyframe:
    if distance_faces(ahead.box, behind.box) <= settings.agree_faces:
        return Keyframe(ahead.time_ms, between(ahead.box, behind.box, line.share(ahead.time_ms)))
    return Keyframe(ahead.time_ms, hull([ahead.box, behind.box]))


def _together(ahead: list[TrackedBox], behind: list[TrackedBox]) -> Iterator[tuple[TrackedBox, TrackedBox]]:
    others = {tracked.time_ms: tracked for tracked in behind}
    return ((tracked, others.get(tracked.time_ms, tracked)) for tracked in ahead)


def _at(tracked_boxes: Sequence[TrackedBox], time_ms: float) -> list[Box]:
    """Return where the fixes, in time, put the face at a moment between the first and the last of them."""
    after = bisect_left(tracked_boxes, time_ms, key=_time)
    if after == len(tracked_boxes):
        return []
    if tracked_boxes[after].time_ms == time_ms:
        return [tracked_boxes[after].box]
    return [_across(tracked_boxes[after - 1], tracked_boxes[after], time_ms)] if after else []


def _across(earlier: TrackedBox, later: TrackedBox, time_ms: float) -> Box:
    if later.time_ms <= earlier.time_ms:
        return hull([earlier.box, later.box])
    share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    return between(earlier.box, later.box, share)


def _time(tracked: TrackedBox) -> float:
    return tracked.time_ms
