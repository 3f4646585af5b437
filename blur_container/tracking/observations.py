"""Observations: results of the low-resolution pass - trajectories of followed faces, cuts and glitches."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from blur_container.tracking.trajectory import LOST, FlowRequest, Trajectory
from chalicelib.contract.faces import Detection

# A face that is followed for so many frames past a cut was followed truly: the next shot does not happen to
# look alike in its place for so long.
_PROOF_BOXES = 3
# A longer broken stretch counts as a shot. Keyframes end what damage breaks: most are nearer.
GLITCH_MAX_MS = 2000

_before = attrgetter("before_ms")
_after = attrgetter("after_ms")


class Cut(NamedTuple):
    """A shot boundary: the last frame before it and the first frame after it, in whole milliseconds.

    Frames between the two were not decoded: they may belong to either shot.
    """

    before_ms: int
    after_ms: int


class Glitch(NamedTuple):
    """A broken stretch: the last intact frame before it and the first after it, in whole milliseconds.

    Both show one shot, although frames between them may look like other shots.
    """

    before_ms: int
    after_ms: int


class Observations:
    """The longest trajectory from each detection, forward and backward, and all cuts and glitches by time."""

    def __init__(
        self,
        trajectories: Iterable[tuple[FlowRequest, Trajectory]] = (),
        cuts: Iterable[Cut] = (),
        glitches: Iterable[Glitch] = (),
    ) -> None:
        self._trajectories: dict[tuple[Detection, bool], Trajectory] = {}
        for request, trajectory in trajectories:
            key = request.start, request.leads_back
            if trajectory.length_ms > self._trajectories.setdefault(key, LOST).length_ms:
                self._trajectories[key] = trajectory
        self.cuts = tuple(sorted(cuts))
        self.glitches = tuple(sorted(set(glitches)))

    @property
    def is_empty(self) -> bool:
        """Return whether no face was followed; a face that was lost at once counts as followed."""
        return not self._trajectories

    def between(self, earlier: Detection, later: Detection) -> tuple[Trajectory, Trajectory]:
        """Return the trajectories from `earlier` forward to `later`, and from `later` back to `earlier`."""
        forward = self._trajectories.get((earlier, False), LOST).until(later.time_ms)
        return forward, self._trajectories.get((later, True), LOST).until(earlier.time_ms)

    def out(self, end: Detection, *, backward: bool) -> Trajectory:
        """Return the trajectory beyond the first (`backward`) or last detection of a track, up to a cut.

        It goes on past the cut if it has three boxes or more there: then the "cut" was a fast pan, or a door
        or a bus in front of the camera.
        """
        trajectory = self._trajectories.get((end, backward), LOST)
        after_ms, before_ms = self.shot(end.time_ms, end.time_ms)
        until_cut = trajectory.until(after_ms if backward else before_ms)
        past_cut = len(trajectory.tracked_boxes) - len(until_cut.tracked_boxes)
        return trajectory if past_cut >= _PROOF_BOXES else until_cut

    def cut_between(self, start_ms: float, end_ms: float) -> bool:
        """Return whether both frames of a cut are in `start_ms` to `end_ms`, both ends included."""
        first = bisect_left(self.cuts, start_ms, key=_before)
        return first < len(self.cuts) and self.cuts[first].after_ms <= end_ms

    def glitches_between(self, start_ms: float, end_ms: float) -> tuple[Glitch, ...]:
        """Return the glitches that overlap `start_ms` to `end_ms`, in the order they begin."""
        first = bisect_right(self.glitches, start_ms - GLITCH_MAX_MS, key=_before)
        last = bisect_left(self.glitches, end_ms, key=_before)
        return tuple(glitch for glitch in self.glitches[first:last] if glitch.after_ms > start_ms)

    def shot(self, first_ms: float, last_ms: float) -> tuple[float, float]:
        """Return the times between which (both excluded) the shot of `first_ms` to `last_ms` lasts at most.

        They are those of the cuts' far frames: frames of a cut that were not decoded belong to both shots.
        """
        earlier = bisect_right(self.cuts, first_ms, key=_after) - 1
        later = bisect_left(self.cuts, last_ms, key=_before)
        begin_ms = self.cuts[earlier].before_ms if earlier >= 0 else -math.inf
        end_ms = self.cuts[later].after_ms if later < len(self.cuts) else math.inf
        return begin_ms, end_ms


NOTHING_SEEN = Observations()


def without_glitches(cuts: Iterable[Cut], glitches: Iterable[Glitch]) -> tuple[list[Cut], list[Glitch]]:
    """Return the cuts outside all glitches, and the glitches that contain a cut, both sorted."""
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
