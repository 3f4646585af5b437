"""Sightings: what the pictures showed - the paths of the faces that were followed, and the cuts."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from blur_container.ways import LOST, Chase, Path
from chalicelib.contract.faces import Detection


class Cut(NamedTuple):
    """A change of shot: the last picture before it, and the first after it, in whole milliseconds.

    Pictures between the two, if any, were not looked at: both shots may hold them.
    """

    before_ms: int
    after_ms: int


class Sightings:
    """The paths of chases, by where they began and which way they led, and the cuts, in time."""

    def __init__(self, paths: Iterable[tuple[Chase, Path]] = (), cuts: Iterable[Cut] = ()) -> None:
        self._links: dict[tuple[Detection, float], Path] = {}
        self._outs: dict[tuple[Detection, bool], Path] = {}
        for chase, path in paths:
            if chase.leads_out:
                self._outs[chase.start, chase.until_ms < chase.start.time_ms] = path
            else:
                self._links[chase.start, chase.until_ms] = path
        self.cuts = tuple(sorted(cuts))

    def link(self, earlier: Detection, later: Detection) -> tuple[Path, Path]:
        """Return the paths from `earlier` onward and from `later` back."""
        onward = self._links.get((earlier, later.time_ms), LOST)
        return onward, self._links.get((later, earlier.time_ms), LOST)

    def out(self, end: Detection, *, backward: bool) -> Path:
        """Return the path out of the first (`backward`) or last detection of a chain."""
        return self._outs.get((end, backward), LOST)

    def beyond(self, earlier: Detection, later: Detection) -> tuple[Path, Path]:
        """Return the paths between the last detection of one chain and the first of another."""
        onward = self.out(earlier, backward=False).within(later.time_ms - earlier.time_ms, earlier.time_ms)
        back = self.out(later, backward=True).within(later.time_ms - earlier.time_ms, later.time_ms)
        return onward, back

    def until_cut(self, start: Detection, path: Path) -> Path:
        """Return `path` without what it shows on the other side of a cut."""
        begin_ms, end_ms = self.shot(start.time_ms, start.time_ms)
        fixes = tuple(fix for fix in path.fixes if begin_ms < fix.time_ms < end_ms)
        return Path(fixes, path.arrived and len(fixes) == len(path.fixes))

    def cut_between(self, start_ms: float, end_ms: float) -> bool:
        """Return whether there is a cut between two moments."""
        first = bisect_left(self.cuts, start_ms, key=_before)
        return first < len(self.cuts) and self.cuts[first].after_ms <= end_ms

    def shot(self, first_ms: float, last_ms: float) -> tuple[float, float]:
        """Return the moments after and before which the shot of `first_ms` to `last_ms` lasts at most."""
        earlier = bisect_right(self.cuts, first_ms, key=_after) - 1
        later = bisect_left(self.cuts, last_ms, key=_before)
        begin_ms = self.cuts[earlier].before_ms if earlier >= 0 else -math.inf
        end_ms = self.cuts[later].after_ms if later < len(self.cuts) else math.inf
        return begin_ms, end_ms


NOTHING_SEEN = Sightings()


def _before(cut: Cut) -> float:
    return cut.before_ms


def _after(cut: Cut) -> float:
    return cut.after_ms
