"""Ways: where a face is between its detections, from what was followed in the pictures and what was not.

From each detection a face can be followed onward and back. Where a path leads from one detection to another
it tells the way; where none does, the mask grows until it holds all paths and the straight line as well.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from blur_container.geometry import between, hull
from blur_container.settings import TrackSettings
from chalicelib.contract.faces import Box, Detection

# A detection's time is that of a frame in whole milliseconds; frames are farther apart.
_SAME_MS = 3.0
# The picture of a detection may be left out where little moves; then the nearest one tells.
_NEAR_MS = 70.0


class Fix(NamedTuple):
    """Where a face was found in one picture."""

    time_ms: float
    box: Box


class Knot(NamedTuple):
    """A moment whose box is known; `doubt` counts the sampling intervals that its margin grows for."""

    time_ms: float
    box: Box
    doubt: float = 0.0


class Chase(NamedTuple):
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
class Path:
    """The fixes of a chase without a gap, the first one nearest to its start."""

    fixes: tuple[Fix, ...] = ()

    @property
    def length_ms(self) -> float:
        """Return how long the face was followed, from the first fix."""
        return abs(self.fixes[-1].time_ms - self.fixes[0].time_ms) + 1 if self.fixes else 0.0

    def until(self, time_ms: float) -> Path:
        """Return the path as far as `time_ms`, that moment included."""
        if len(self.fixes) < 2:  # noqa: PLR2004 a direction needs two
            return self
        backward = self.fixes[1].time_ms < self.fixes[0].time_ms
        kept = (
            fix
            for fix in self.fixes
            if (fix.time_ms > time_ms - _SAME_MS if backward else fix.time_ms < time_ms + _SAME_MS)
        )
        return Path(tuple(kept))

    def box_at(self, time_ms: float) -> Box | None:
        """Return the box of the fix nearest to `time_ms`, or None where the path does not come near."""
        nearest = min(self.fixes, key=lambda fix: abs(fix.time_ms - time_ms), default=None)
        return nearest.box if nearest and abs(nearest.time_ms - time_ms) <= _NEAR_MS else None


LOST = Path()


@dataclass(frozen=True)
class Way:
    """The knots between two detections, or beyond one; `certain` where pictures show how it ends."""

    knots: tuple[Knot, ...]
    certain: bool


UNSEEN = Way((), certain=False)


def way_between(
    earlier: Detection, later: Detection, onward: Path, back: Path, settings: TrackSettings
) -> Way:
    """Return the way from one detection to a later one; `onward` and `back` lie between both."""
    line = _Line(earlier, later)
    ahead, behind = line.drawn_to_end(onward, settings), line.drawn_to_start(back, settings)
    if ahead and behind:
        knots = [_blended(line, one, other, settings) for one, other in _together(ahead, behind)]
    else:
        knots = [Knot(*fix) for fix in ahead or behind or line.met(onward, back, settings)]
    certain = bool(knots)
    knots = knots or list(line.in_doubt(onward, back, settings))
    between_both = (knot for knot in knots if earlier.time_ms < knot.time_ms < later.time_ms)
    return Way(tuple(between_both), certain)


def way_out(end: Detection, path: Path, interval_ms: int, settings: TrackSettings) -> Way:
    """Return the way beyond the first or last detection of a track, nearest knot first.

    It is certain where the face was seen to leave the frame.
    """
    knots = [
        Knot(fix.time_ms, fix.box, settings.follow_doubt * abs(fix.time_ms - end.time_ms) / interval_ms)
        for fix in path.fixes
    ]
    gone = departure(end, path, interval_ms, settings)
    return Way((*knots, gone) if gone else tuple(knots), gone is not None)


def departure(end: Detection, path: Path, interval_ms: int, settings: TrackSettings) -> Knot | None:
    """Return when a face that was last seen half across the border has left, or None where it has not.

    It is covered where it was last seen for longer than it needs at its speed.
    """
    fixes = [Fix(end.time_ms, end.box), *path.fixes]
    last = fixes[-1]
    stride_ms = settings.stride_intervals * interval_ms
    before = next((fix for fix in reversed(fixes) if abs(fix.time_ms - last.time_ms) >= stride_ms), fixes[0])
    elapsed_ms = last.time_ms - before.time_ms
    if not elapsed_ms or visible_share(last.box) > settings.leaving_share_max:
        return None
    went_x = (last.box.left + last.box.right - before.box.left - before.box.right) / 2
    went_y = (last.box.top + last.box.bottom - before.box.top - before.box.bottom) / 2
    box = last.box
    rest = [
        max(left, 0.0) / gone
        for left, gone, crossed in (
            (box.right, -went_x, box.left < 0),
            (1 - box.left, went_x, box.right > 1),
            (box.bottom, -went_y, box.top < 0),
            (1 - box.top, went_y, box.bottom > 1),
        )
        if crossed and gone > 0
    ]
    wait_ms = settings.leaving_slack * min(rest, default=math.inf) * abs(elapsed_ms)
    if wait_ms > settings.hold_intervals * interval_ms:
        return None
    share = settings.leaving_slack * min(rest)
    moved = Box(box.left + went_x * share, box.top + went_y * share, box.width, box.height)
    return Knot(last.time_ms + math.copysign(wait_ms, elapsed_ms), hull([box, moved]), settings.follow_doubt)


def visible_share(box: Box) -> float:
    """Return which share of a box lies in the frame; 1 for a box of no size."""
    across = min(box.right, 1.0) - max(box.left, 0.0)
    down = min(box.bottom, 1.0) - max(box.top, 0.0)
    area = box.width * box.height
    return max(across, 0.0) * max(down, 0.0) / area if area else 1.0


def distance_faces(one: Box, other: Box) -> float:
    """Return how far apart the centres of two boxes are, in sizes of their mean."""
    width, height = (one.width + other.width) / 2, (one.height + other.height) / 2
    if not (width and height):
        return math.inf
    across = (one.left + one.right - other.left - other.right) / 2 / width
    down = (one.top + one.bottom - other.top - other.bottom) / 2 / height
    return math.hypot(across, down)


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

    def drawn_to_end(self, path: Path, settings: TrackSettings) -> list[Fix]:
        """Return the fixes of a path from the start, moved so that it ends in the later detection."""
        arrival, goal = path.box_at(self.later.time_ms), self.later.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [Fix(t, _shifted(box, arrival, goal, self.share(t))) for t, box in path.fixes]

    def drawn_to_start(self, path: Path, settings: TrackSettings) -> list[Fix]:
        """Return the fixes of a path from the end, in time, moved so that it begins in the earlier one."""
        arrival, goal = path.box_at(self.earlier.time_ms), self.earlier.box
        if arrival is None or distance_faces(arrival, goal) > settings.meet_faces:
            return []
        return [Fix(t, _shifted(box, arrival, goal, 1 - self.share(t))) for t, box in reversed(path.fixes)]

    def met(self, onward: Path, back: Path, settings: TrackSettings) -> list[Fix]:
        """Return the fixes of both paths, in time, where they meet before either arrives."""
        if onward.box_at(self.later.time_ms) or back.box_at(self.earlier.time_ms):
            return []  # It arrived elsewhere: two faces crossed.
        others = {fix.time_ms: fix.box for fix in back.fixes}
        for place, fix in enumerate(onward.fixes):
            other = others.get(fix.time_ms)
            if other is not None and distance_faces(fix.box, other) <= settings.agree_faces:
                rest = [later for later in reversed(back.fixes) if later.time_ms > fix.time_ms]
                return [*onward.fixes[: place + 1], *rest]
        return []

    def in_doubt(self, onward: Path, back: Path, settings: TrackSettings) -> Iterator[Knot]:
        """Yield knots that hold every place the face may have been in."""
        length_ms = self.later.time_ms - self.earlier.time_ms
        reach_ms = settings.line_hull_intervals * length_ms
        steps = (length_ms * step / settings.line_steps for step in range(settings.line_steps + 1))
        ahead = [Fix(self.earlier.time_ms, self.earlier.box), *onward.fixes]
        behind = [*reversed(back.fixes), Fix(self.later.time_ms, self.later.box)]
        looked_at = {fix.time_ms for fix in (*onward.fixes, *back.fixes)}
        for time_ms in sorted({self.earlier.time_ms + step for step in steps} | looked_at):
            found = [*_at(ahead, time_ms), *_at(behind, time_ms)]
            if not found:
                found = [_across(ahead[-1], behind[0], time_ms)]
            around = [self.at(time_ms - reach_ms), self.at(time_ms), self.at(time_ms + reach_ms)]
            yield Knot(time_ms, hull([*found, *around]))


def _shifted(box: Box, wrong: Box, right: Box, share: float) -> Box:
    return Box(
        box.left + (right.left - wrong.left) * share,
        box.top + (right.top - wrong.top) * share,
        max(box.width + (right.width - wrong.width) * share, 0.0),
        max(box.height + (right.height - wrong.height) * share, 0.0),
    )


def _blended(line: _Line, ahead: Fix, behind: Fix, settings: TrackSettings) -> Knot:
    if distance_faces(ahead.box, behind.box) <= settings.agree_faces:
        return Knot(ahead.time_ms, between(ahead.box, behind.box, line.share(ahead.time_ms)))
    return Knot(ahead.time_ms, hull([ahead.box, behind.box]))


def _together(ahead: list[Fix], behind: list[Fix]) -> Iterator[tuple[Fix, Fix]]:
    others = {fix.time_ms: fix for fix in behind}
    return ((fix, others.get(fix.time_ms, fix)) for fix in ahead)


def _at(fixes: Sequence[Fix], time_ms: float) -> list[Box]:
    """Return where the fixes, in time, put the face at a moment between the first and the last of them."""
    after = bisect_left(fixes, time_ms, key=_time)
    if after == len(fixes):
        return []
    if fixes[after].time_ms == time_ms:
        return [fixes[after].box]
    return [_across(fixes[after - 1], fixes[after], time_ms)] if after else []


def _across(earlier: Fix, later: Fix, time_ms: float) -> Box:
    if later.time_ms <= earlier.time_ms:
        return hull([earlier.box, later.box])
    share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    return between(earlier.box, later.box, share)


def _time(fix: Fix) -> float:
    return fix.time_ms
