"""Layout: which detections belong together, and where their faces have to be looked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from blur_container.association import associate
from blur_container.bridges import Bridge, Chain, bridges
from blur_container.paths import Chase
from blur_container.settings import TrackSettings
from blur_container.timeline import sampling_interval_ms
from chalicelib.contract.faces import Detection


@dataclass(frozen=True)
class Layout:
    """The chains of the detections of one video, the bridges between them, and the sampling interval."""

    interval_ms: int
    chains: tuple[Chain, ...]
    bridges: tuple[Bridge, ...]
    settings: TrackSettings

    @classmethod
    def of(cls, detections: Iterable[Detection], settings: TrackSettings) -> Layout:
        """Return the layout of `detections`, in whatever order they are."""
        every = list(detections)
        interval_ms = sampling_interval_ms((detection.time_ms for detection in every), settings)
        chains = associate(every, interval_ms, settings)
        return cls(interval_ms, tuple(chains), tuple(bridges(chains, interval_ms, settings)), settings)

    def chases(self) -> Iterator[Chase]:
        """Yield every chase: both ways between detections that may be one face, and out of the ends."""
        reach_ms = self.settings.follow_intervals * self.interval_ms
        for chain in self.chains:
            first, last = chain[0], chain[-1]
            yield Chase(first, first.time_ms - reach_ms, _speed(*chain[:2]))
            for earlier, later in pairwise(chain):
                yield from _both_ways(earlier, later)
            yield Chase(last, last.time_ms + reach_ms, _speed(*chain[-2:]))
        for end, start in self.bridges:
            yield from _both_ways(end, start)


def _both_ways(earlier: Detection, later: Detection) -> Iterator[Chase]:
    speed = _speed(earlier, later)
    yield Chase(earlier, later.time_ms, speed)
    yield Chase(later, earlier.time_ms, speed)


def _speed(earlier: Detection, later: Detection | None = None) -> tuple[float, float] | None:
    """Return the speed of a face in fractions of the frame a millisecond; one detection tells none."""
    if later is None:
        return None
    one, other, elapsed_ms = earlier.box, later.box, later.time_ms - earlier.time_ms
    across = (other.left + other.right - one.left - one.right) / 2
    down = (other.top + other.bottom - one.top - one.bottom) / 2
    return across / elapsed_ms, down / elapsed_ms
