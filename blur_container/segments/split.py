"""Cutting: into how many segments a video is shared out, and which groups of pictures they begin with."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from blur_container.settings import CuttingSettings


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


def segment_starts(work: Sequence[float], count: int) -> list[int]:
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
