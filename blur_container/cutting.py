"""Cutting: into how many segments a video is shared out, and which groups of pictures they begin with."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class CuttingSettings:
    """How a video is shared out; work counts in seconds that one function alone would render for."""

    # Pixels that a function of two processors covers and encodes in a second; measured here: 46 million
    # (benchmarks/README.md). A processor of Lambda was taken for half as fast.
    pixels_per_s: float = 20e6
    # Starting a function, reading the index and joining cost 2 to 4 s: less work is not worth them.
    aim_s: float = 60.0
    # Half of the 15 minutes a function has.
    limit_s: float = 450.0
    # How many functions render at once; Step Functions' inline Map runs 40.
    at_once: int = 40
    # Each segment reads the index, and looks at some seconds on both sides: so much of the file at most.
    extra_share: float = 0.15
    # So much is read within a second in any case.
    extra_bytes: int = 16 * 1000**2
    # /tmp holds 10 GB: both the part of the source that is read and its copy.
    segment_bytes: int = 2 * 1000**3


@dataclass(frozen=True)
class Costs:
    """What sharing out costs: the work in all, and what of the file each segment reads beside its part."""

    work_s: float
    size_bytes: int
    extra_bytes: float


def segment_count(costs: Costs, settings: CuttingSettings) -> int:
    """Return into how many segments a video is cut, if its keyframes allow it.

    As many as are rendered at once, unless they became too small; more where one would take too long.
    """
    extra_bytes = max(settings.extra_share * costs.size_bytes, settings.extra_bytes)
    worth = min(costs.work_s / settings.aim_s, extra_bytes / costs.extra_bytes, settings.at_once)
    needed = max(costs.work_s / settings.limit_s, costs.size_bytes / settings.segment_bytes)
    return max(math.floor(worth), math.ceil(needed), 1)


def cuts(work: Sequence[float], count: int) -> list[int]:
    """Return the numbers of the groups, rising, that `count` segments of about equal work begin with.

    `work` is that of each group. The first segment begins with group 0; there are fewer where groups are few.
    """
    before = [0.0, *accumulate(work)]
    targets = (before[-1] * part / count for part in range(1, count))
    return sorted({0, *(_nearest(before, target) for target in targets)} - {len(work)})


def _nearest(before: Sequence[float], target: float) -> int:
    after = bisect_left(before, target)
    if after == 0:
        return 0
    return after if before[after] - target < target - before[after - 1] else after - 1
