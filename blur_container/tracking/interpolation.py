"""Interpolation: the boxes of a face between its detections, and beyond the first and the last.

A face is followed forward and backward from each detection. Where a trajectory leads from one detection to
another it gives the boxes between them. Where none does, each box grows until it contains all trajectories
and the straight line as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from blur_container.geometry import between, distance_faces, hull
from blur_container.settings import TrackSettings
from blur_container.tracking.frame_exit import frame_exit
from blur_container.tracking.observations import Observations
from blur_container.tracking.trajectory import Keyframe, TrackedBox, Trajectory
from chalicelib.contract.faces import Box, Detection


@dataclass(frozen=True)
class Interpolation:
    """Keyframes strictly between two detections, or beyond one; `certain` if observed up to its end."""

    keyframes: tuple[Keyframe, ...]
    certain: bool


UNSEEN = Interpolation((), certain=False)


class Interpolations:
    """The interpolations between the detections of one video, each computed once and kept."""

    def __init__(self, seen: Observations, settings: TrackSettings) -> None:
        self._seen, self._settings = seen, settings
        self._known: dict[tuple[Detection, Detection], Interpolation] = {}

    def between(self, earlier: Detection, later: Detection) -> Interpolation:
        """Return the interpolation between two detections; UNSEEN if no face was followed."""
        if self._seen.is_empty:
            return UNSEEN
        pair = earlier, later
        if pair not in self._known:
            self._known[pair] = interpolation_between(*pair, *self._seen.between(*pair), self._settings)
        return self._known[pair]


def interpolation_between(
    earlier: Detection, later: Detection, forward: Trajectory, back: Trajectory, settings: TrackSettings
) -> Interpolation:
    """Return the interpolation from one detection to a later one; both trajectories end at the other one.

    It is certain if a trajectory arrives at the other detection, or if both meet on their way.
    """
    line = _Line(earlier, later)
    ahead, behind = line.drawn_to_end(forward, settings), line.drawn_to_start(back, settings)
    if ahead and behind:
        others = {tracked.time_ms: tracked for tracked in behind}
        keyframes = [
            line.blended(tracked, others.get(tracked.time_ms, tracked), settings) for tracked in ahead
        ]
    else:
        keyframes = [Keyframe(*tracked) for tracked in ahead or behind or line.met(forward, back, settings)]
    certain = bool(keyframes)
    keyframes = keyframes or list(line.covering(forward, back, settings))
    between_both = (keyframe for keyframe in keyframes if earlier.time_ms < keyframe.time_ms < later.time_ms)
    return Interpolation(tuple(between_both), certain)


def uncertain_interpolation(
    earlier: Detection, later: Detection, forward: Trajectory, back: Trajectory, settings: TrackSettings
) -> Interpolation:
    """Return the interpolation between two detections as if neither trajectory could be trusted."""
    keyframes = _Line(earlier, later).covering(forward, back, settings)
    return Interpolation(
        tuple(keyframe for keyframe in keyframes if earlier.time_ms < keyframe.time_ms < later.time_ms),
        certain=False,
    )


def interpolation_to_border(
    end: Detection, trajectory: Trajectory, interval_ms: int, settings: TrackSettings
) -> Interpolation:
    """Return the keyframes beyond the first or last detection of a track, the nearest in time first.

    Their uncertainty grows with the time from the detection. It is certain if the face left the frame.
    """
    keyframes = [
        Keyframe(
            tracked.time_ms,
            tracked.box,
            settings.flow_uncertainty * abs(tracked.time_ms - end.time_ms) / interval_ms,
        )
        for tracked in trajectory.tracked_boxes
    ]
    gone = frame_exit(end, trajectory, interval_ms, settings)
    return Interpolation((*keyframes, gone) if gone else tuple(keyframes), gone is not None)


@dataclass(frozen=True)
class _Line:
    """The straight line from one detection to a later one."""

    earlier: Detection
    later: Detection

    def share(self, time_ms: float) -> float:
        """Return the share of the time between the detections that has passed, from 0 to 1."""
        share = (time_ms - self.earlier.time_ms) / (self.later.time_ms - self.earlier.time_ms)
        return min(max(share, 0.0), 1.0)

    def at(self, time_ms: float) -> Box:
        return between(self.earlier.box, self.later.box, self.share(time_ms))

    def drawn_to_end(self, trajectory: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the boxes of a forward trajectory, moved so that the last is the later detection's.

        Return none if it ends elsewhere.
        """
        arrival, goal = trajectory.box_at(self.later.time_ms), self.later.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [
            TrackedBox(t, _shifted(box, arrival, goal, self.share(t))) for t, box in trajectory.tracked_boxes
        ]

    def drawn_to_start(self, trajectory: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the boxes of a backward trajectory by time, moved so that the first is the earlier one's.

        Return none if it ends elsewhere.
        """
        arrival, goal = trajectory.box_at(self.earlier.time_ms), self.earlier.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [
            TrackedBox(t, _shifted(box, arrival, goal, 1 - self.share(t)))
            for t, box in reversed(trajectory.tracked_boxes)
        ]

    def blended(self, ahead: TrackedBox, behind: TrackedBox, settings: TrackSettings) -> Keyframe:
        """Return a mean of two boxes of one time, or the hull of both if they are far apart."""
        if distance_faces(ahead.box, behind.box) <= settings.agree_faces:
            return Keyframe(ahead.time_ms, between(ahead.box, behind.box, self.share(ahead.time_ms)))
        return Keyframe(ahead.time_ms, hull([ahead.box, behind.box]))

    def met(self, forward: Trajectory, back: Trajectory, settings: TrackSettings) -> list[TrackedBox]:
        """Return the boxes by time of the first trajectory up to where both meet, and of the other after it.

        Return none if they do not meet, or if one arrives at the other detection's time.
        """
        if forward.box_at(self.later.time_ms) or back.box_at(self.earlier.time_ms):
            return []  # It arrived elsewhere: two faces crossed.
        others = {tracked.time_ms: tracked.box for tracked in back.tracked_boxes}
        for index, tracked in enumerate(forward.tracked_boxes):
            other = others.get(tracked.time_ms)
            if other is not None and distance_faces(tracked.box, other) <= settings.agree_faces:
                rest = [later for later in reversed(back.tracked_boxes) if later.time_ms > tracked.time_ms]
                return [*forward.tracked_boxes[: index + 1], *rest]
        return []

    def covering(self, forward: Trajectory, back: Trajectory, settings: TrackSettings) -> Iterator[Keyframe]:
        """Yield keyframes whose boxes contain every place where the face may have been."""
        length_ms = self.later.time_ms - self.earlier.time_ms
        reach_ms = settings.line_hull_intervals * length_ms
        steps = (length_ms * step / settings.line_steps for step in range(settings.line_steps + 1))
        ahead = [TrackedBox(self.earlier.time_ms, self.earlier.box), *forward.tracked_boxes]
        behind = [*reversed(back.tracked_boxes), TrackedBox(self.later.time_ms, self.later.box)]
        tracked_ms = {tracked.time_ms for tracked in (*forward.tracked_boxes, *back.tracked_boxes)}
        for time_ms in sorted({self.earlier.time_ms + step for step in steps} | tracked_ms):
            found = [*_at(ahead, time_ms), *_at(behind, time_ms)]
            if not found:
                found = [_across(ahead[-1], behind[0], time_ms)]
            around = [self.at(time_ms - reach_ms), self.at(time_ms), self.at(time_ms + reach_ms)]
            yield Keyframe(time_ms, hull([*found, *around]))


def _shifted(box: Box, wrong: Box, right: Box, share: float) -> Box:
    """Return `box` moved and scaled by `share` of the difference from `wrong` to `right`."""
    return Box(
        box.left + (right.left - wrong.left) * share,
        box.top + (right.top - wrong.top) * share,
        max(box.width + (right.width - wrong.width) * share, 0.0),
        max(box.height + (right.height - wrong.height) * share, 0.0),
    )


def _at(tracked_boxes: Sequence[TrackedBox], time_ms: float) -> list[Box]:
    """Return the box at a time, as a list of one, or none before the first and after the last box."""
    after = bisect_left(tracked_boxes, time_ms, key=attrgetter("time_ms"))
    if after == len(tracked_boxes):
        return []
    if tracked_boxes[after].time_ms == time_ms:
        return [tracked_boxes[after].box]
    return [_across(tracked_boxes[after - 1], tracked_boxes[after], time_ms)] if after else []


def _across(earlier: TrackedBox, later: TrackedBox, time_ms: float) -> Box:
    """Return the box at a time between two boxes; the hull of both if they are not in order."""
    if later.time_ms <= earlier.time_ms:
        return hull([earlier.box, later.box])
    share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    return between(earlier.box, later.box, share)
