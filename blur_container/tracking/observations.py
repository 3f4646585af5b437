"""Sightings: what the pictures showed - the paths of the faces that were followed, cuts, and glitches."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from blur_container.tracking.trajectory import LOST, FlowRequest, Trajectory
from chalicelib.contract.faces import Detection

# So many fixes behind a cut are no chance likeness to what the next shot shows in the same place.
_PROOF_FIXES = 3


class Cut(NamedTuple):
    """A change of shot: the last picture before it, and the first after it, in whole milliseconds.

    Pictures between the two, if any, were not looked at: both shots may hold them.
    """

    before_ms: int
    after_ms: int


class Glitch(NamedTuple):
    """A broken stretch: the last sound picture before it, and the first one after it, in whole milliseconds.

    The two show one shot, and no two neighbours between them need to.
    """

    before_ms: int
    after_ms: int


# A stretch that lasts longer is a shot of its own. Keyframes end what damage breaks: most are nearer.
GLITCH_MAX_MS = 2000


class Observations:
    """The longest path from each detection, onward and back, and the cuts and glitches in time."""

    def __init__(
        self,
        trajectories: Iterable[tuple[FlowRequest, Trajectory]] = (),
        cuts: Iterable[Cut] = (),
        glitches: Iterable[Glitch] = (),
    ) -> None:
        self._paths: dict[tuple[Detection, bool], Trajectory] = {}
        for request, trajectory in trajectories:
            key = request.start, request.leads_back
            if trajectory.length_ms > self._paths.setdefault(key, LOST).length_ms:
                self._paths[key] = trajectory
        self.cuts = tuple(sorted(cuts))
        self.glitches = tuple(sorted(set(glitches)))

    @property
    def is_empty(self) -> bool:
        """Return whether no face was looked for; one that was lost at once is in doubt, not unseen."""
        return not self._paths

    def between(self, earlier: Detection, later: Detection) -> tuple[Trajectory, Trajectory]:
        """Return the path from `earlier` onward until `later`, and that from `later` back."""
        onward = self._paths.get((earlier, False), LOST).until(later.time_ms)
        return onward, self._paths.get((later, True), LOST).until(earlier.time_ms)

    def out(self, end: Detection, *, backward: bool) -> Trajectory:
        """Return the path out of the first (`backward`) or last detection of a track, to the next cut.

        A face that goes on behind it was followed through something else: a swift pan, a door, a bus.
        """
        trajectory = self._paths.get((end, backward), LOST)
        after_ms, before_ms = self.shot(end.time_ms, end.time_ms)
        until_cut = trajectory.until(after_ms if backward else before_ms)
        return (
            trajectory
            if len(trajectory.tracked_boxes) - len(until_cut.tracked_boxes) >= _PROOF_FIXES
            else until_cut
        )

    def cut_between(self, start_ms: float, end_ms: float) -> bool:
        """Return whether there is a cut between two moments."""
        first = bisect_left(self.cuts, start_ms, key=_before)
        return first < len(self.cuts) and self.cuts[first].after_ms <= end_ms

    def glitches_between(self, start_ms: float, end_ms: float) -> tuple[Glitch, ...]:
        """Return the glitches that have a part between two moments, in the order they begin."""
        first = bisect_right(self.glitches, start_ms - GLITCH_MAX_MS, key=_before)
        last = bisect_left(self.glitches, end_ms, key=_before)
        return tuple(glitch for glitch in self.glitches[first:last] if glitch.after_ms > start_ms)

    def shot(self, first_ms: float, last_ms: float) -> tuple[float, float]:
        """Return the moments after and before which the shot of `first_ms` to `last_ms` lasts at most."""
        earlier = bisect_right(self.cuts, first_ms, key=_after) - 1
        later = bisect_left(self.cuts, last_ms, key=_before)
        begin_ms = self.cuts[earlier].before_ms if earlier >= 0 else -math.inf
        end_ms = self.cuts[later].after_ms if later < len(self.cuts) else math.inf
        return begin_ms, end_ms


NOTHING_SEEN = Observations()


def without_glitches(cuts: Iterable[Cut], glitches: Iterable[Glitch]) -> tuple[list[Cut], list[Glitch]]:
    """Return the cuts that lie within no glitch, and the glitches that hold the others."""
    every, broken = sorted(set(cuts)), sorted(set(glitches))
    latest = list(accumulate((glitch.after_ms for glitch in broken), max))
    begun = (bisect_right(broken, cut.before_ms, key=_before) for cut in every)
    true_cuts = [
        cut for cut, count in zip(every, begun, strict=True) if not count or latest[count - 1] < cut.after_ms
    ]
    firsts = (bisect_left(every, glitch.before_ms, key=_before) for glitch in broken)
    hiding = [
        glitch
        for glitch, first in zip(broken, firsts, strict=True)
        if first < len(every) and every[first].after_ms <= glitch.after_ms
    ]
    return true_cuts, hiding


def _before(cut: Cut | Glitch) -> int:
    return cut.before_ms


def _after(cut: Cut) -> float:
    return cut.after_ms
