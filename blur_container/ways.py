"""Ways: where a face is between its detections, from what was followed in the pictures and what was not.

From each detection a face can be followed onward and back. Between two detections both paths tell the same
way, or the mask grows until it holds both and the straight line as well.
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

    `speed` is how fast it should move, in fractions of the frame a millisecond, across and down. A chase
    that `leads_out` of a chain has no detection at its end.
    """

    start: Detection
    until_ms: float
    speed: tuple[float, float]
    leads_out: bool = False

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
    """The fixes of a chase, the first one nearest to its start; `arrived` where none is missing."""

    fixes: tuple[Fix, ...] = ()
    arrived: bool = False

    def within(self, length_ms: float, start_ms: float) -> Path:
        """Return the part of the path up to `length_ms` from its start; it arrived if more follows."""
        fixes = tuple(fix for fix in self.fixes if abs(fix.time_ms - start_ms) <= length_ms)
        return Path(fixes, bool(fixes) and (self.arrived or len(fixes) < len(self.fixes)))


LOST = Path()


def way_between(
    earlier: Detection, later: Detection, onward: Path, back: Path, settings: TrackSettings
) -> tuple[list[Knot], bool]:
    """Return the knots between two detections, in time, and whether a path confirms that both are one face."""
    line = _Line(earlier, later)
    ahead = line.drawn_to_end(onward, settings)
    behind = line.drawn_to_start(back, settings)
    if ahead and behind:
        knots = [_blended(line, one, other, settings) for one, other in _together(ahead, behind)]
    elif ahead or behind:
        knots = [Knot(fix.time_ms, fix.box) for fix in ahead or behind]
    else:
        knots = list(line.in_doubt(onward, back, settings))
    between_them = [knot for knot in knots if earlier.time_ms < knot.time_ms < later.time_ms]
    return between_them, bool(ahead or behind)


def way_out(end: Detection, path: Path, interval_ms: int, settings: TrackSettings) -> list[Knot]:
    """Return the knots beyond the first or last detection of a track, nearest first."""
    return [
        Knot(fix.time_ms, fix.box, settings.follow_doubt * abs(fix.time_ms - end.time_ms) / interval_ms)
        for fix in path.fixes
    ]


@dataclass(frozen=True)
class _Line:
    """The straight way from one detection to a later one."""

    earlier: Detection
    later: Detection

    def share(self, time_ms: float) -> float:
        return (time_ms - self.earlier.time_ms) / (self.later.time_ms - self.earlier.time_ms)

    def at(self, time_ms: float) -> Box:
        return between(self.earlier.box, self.later.box, min(max(self.share(time_ms), 0.0), 1.0))

    def drawn_to_end(self, path: Path, settings: TrackSettings) -> list[Fix]:
        """Return the fixes of a path from the start, moved so that it ends in the later detection."""
        if not path.arrived or not are_near(path.fixes[-1].box, self.later.box, settings.meet_faces):
            return []
        off = path.fixes[-1].box
        return [
            Fix(fix.time_ms, _shifted(fix.box, off, self.later.box, self.share(fix.time_ms)))
            for fix in path.fixes
        ]

    def drawn_to_start(self, path: Path, settings: TrackSettings) -> list[Fix]:
        """Return the fixes of a path from the end, in time, moved so that it begins in the earlier one."""
        if not path.arrived or not are_near(path.fixes[-1].box, self.earlier.box, settings.meet_faces):
            return []
        off = path.fixes[-1].box
        return [
            Fix(fix.time_ms, _shifted(fix.box, off, self.earlier.box, 1 - self.share(fix.time_ms)))
            for fix in reversed(path.fixes)
        ]

    def in_doubt(self, onward: Path, back: Path, settings: TrackSettings) -> Iterator[Knot]:
        """Yield knots that hold every place the face may have been in."""
        length_ms = self.later.time_ms - self.earlier.time_ms
        reach_ms = settings.hull_intervals * length_ms
        steps = [self.earlier.time_ms + length_ms * step / settings.line_steps for step in range(settings.line_steps + 1)]
        ahead = [Fix(self.earlier.time_ms, self.earlier.box), *onward.fixes]
        behind = [*reversed(back.fixes), Fix(self.later.time_ms, self.later.box)]
        for time_ms in sorted({*steps, *(fix.time_ms for fix in (*onward.fixes, *back.fixes))}):
            found = [*_at(ahead, time_ms), *_at(behind, time_ms)]
            if not found:
                found = [_across(ahead[-1], behind[0], time_ms)]
            around = [self.at(time_ms - reach_ms), self.at(time_ms), self.at(time_ms + reach_ms)]
            yield Knot(time_ms, hull([*found, *around]))


def are_near(one: Box, other: Box, faces: float) -> bool:
    """Return whether two boxes are less than so many face sizes apart, and of like size."""
    width, height = (one.width + other.width) / 2, (one.height + other.height) / 2
    if not (width and height):
        return False
    across = (one.left + one.right - other.left - other.right) / 2 / width
    down = (one.top + one.bottom - other.top - other.bottom) / 2 / height
    return math.hypot(across, down) <= faces


def _shifted(box: Box, wrong: Box, right: Box, share: float) -> Box:
    return Box(
        box.left + (right.left - wrong.left) * share,
        box.top + (right.top - wrong.top) * share,
        max(box.width + (right.width - wrong.width) * share, 0.0),
        max(box.height + (right.height - wrong.height) * share, 0.0),
    )


def _blended(line: _Line, ahead: Fix, behind: Fix, settings: TrackSettings) -> Knot:
    if are_near(ahead.box, behind.box, settings.agree_faces):
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
