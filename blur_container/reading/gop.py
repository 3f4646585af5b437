"""Groups of pictures (GOPs): their packets, the runs of them with and without faces, and decode times."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter


@dataclass(frozen=True)
class Run:
    """Consecutive GOPs that are all encoded or all copied: their packets, counted in decode order."""

    packets: range
    encoded: bool


@dataclass(frozen=True)
class Groups:
    """The GOPs of one stream: the pts of its packets in decode order, and the packets that begin a GOP.

    No frame refers to one of another GOP. The first packet begins a GOP.
    """

    pts: array[int]
    starts: array[int]

    def __iter__(self) -> Iterator[range]:
        """Iterate over the packets of each GOP."""
        for start, end in pairwise([*self.starts, len(self.pts)]):
            yield range(start, end)

    def follow_each_other(self) -> bool:
        """Return whether every frame has a time of its own, after all frames of earlier GOPs."""
        shown: int | None = None
        for group in self:
            times = self._times(group)
            if (shown is not None and times[0] <= shown) or any(a == b for a, b in pairwise(times)):
                return False
            shown = times[-1]
        return True

    def reorder_delay(self) -> int:
        """Return by how many packets a frame is at most decoded before it is shown."""
        delay = 0
        for group in self:
            times = self._times(group)
            for place, packet in enumerate(group):
                delay = max(delay, place - bisect_left(times, self.pts[packet]))
        return delay

    def runs(self, shows_face: Callable[[int], bool]) -> tuple[Run, ...]:
        """Return the runs of GOPs to encode, where `shows_face` is true for any pts, and to copy."""
        marked = ((any(shows_face(self.pts[packet]) for packet in group), group) for group in self)
        joined = []
        for encoded, alike in groupby(marked, key=itemgetter(0)):
            groups = [group for _, group in alike]
            joined.append(Run(range(groups[0].start, groups[-1].stop), encoded))
        return tuple(joined)

    def _times(self, group: range) -> list[int]:
        return sorted(self.pts[group.start : group.stop])


def decode_times(shown: Sequence[int], delay: int) -> array[int]:
    """Return the dts of packets whose frames have the pts `shown`, rising, with a reorder delay in packets.

    The n-th packet gets the pts of the frame `delay` places before; the first packets get times before the
    first frame.
    """
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    early = [shown[0] - step * (delay - place) for place in range(min(delay, len(shown)))]
    return array("q", [*early, *shown[: len(shown) - len(early)]])
