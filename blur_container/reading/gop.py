"""Groups of pictures: which packets begin one, which show a face, and the times packets are decoded at."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise


@dataclass(frozen=True)
class Run:
    """Neighbouring groups with the same fate: their packets, counted in decode order."""

    packets: range
    encoded: bool


@dataclass(frozen=True)
class Groups:
    """The groups of one stream: the pts of its packets in decode order, and which packets begin a group.

    No frame of a group refers to another group. The first packet begins one.
    """

    pts: array[int]
    starts: array[int]

    def __iter__(self) -> Iterator[range]:
        """Iterate over the packets of each group."""
        for start, end in pairwise([*self.starts, len(self.pts)]):
            yield range(start, end)

    def follow_each_other(self) -> bool:
        """Return whether every frame is shown once, and after all frames of the groups before its own."""
        shown: int | None = None
        for group in self:
            times = self._times(group)
            if (shown is not None and times[0] <= shown) or any(a == b for a, b in pairwise(times)):
                return False
            shown = times[-1]
        return True

    def reorder_delay(self) -> int:
        """Return how many packets the decoder is ahead of the screen at most."""
        delay = 0
        for group in self:
            times = self._times(group)
            for place, packet in enumerate(group):
                delay = max(delay, place - bisect_left(times, self.pts[packet]))
        return delay

    def runs(self, shows_face: Callable[[int], bool]) -> tuple[Run, ...]:
        """Return the runs of groups to encode, where `shows_face` says yes to any pts, and to copy."""
        fates = ((any(shows_face(self.pts[packet]) for packet in group), group) for group in self)
        joined = []
        for encoded, alike in groupby(fates, key=_fate):
            groups = [group for _, group in alike]
            joined.append(Run(range(groups[0].start, groups[-1].stop), encoded))
        return tuple(joined)

    def _times(self, group: range) -> list[int]:
        return sorted(self.pts[group.start : group.stop])


def decode_times(shown: Sequence[int], delay: int) -> array[int]:
    """Return the dts of packets whose frames are shown at `shown`, rising, `delay` packets later.

    The n-th packet is decoded when the frame `delay` places before is shown; the first ones go before all.
    """
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    early = [shown[0] - step * (delay - place) for place in range(min(delay, len(shown)))]
    return array("q", [*early, *shown[: len(shown) - len(early)]])


def _fate(marked: tuple[bool, range]) -> bool:
    return marked[0]
