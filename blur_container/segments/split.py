"""Split a video: into how many segments, and the GOP that each one begins with."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from blur_container.settings import CuttingSettings


@dataclass(frozen=True)
class Costs:
    """The work of a video, its size, and the bytes of the file that each segment reads besides its own."""

    work_s: float
    size_bytes: int
    extra_bytes: float


def segment_count(costs: Costs, settings: CuttingSettings) -> int:
    """Return the number of segments to split a video into, if its keyframes allow it.

    It is the number rendered at once, fewer if segments became too small, more if one would take too long.
    """
    extra_bytes = max(settings.extra_share * costs.size_bytes, settings.extra_bytes)
    worth = min(costs.work_s / settings.aim_s, extra_bytes / costs.extra_bytes, settings.at_once)
    needed = max(costs.work_s / settings.limit_s, costs.size_bytes / settings.segment_bytes)
    return max(math.floor(worth), math.ceil(needed), 1)


def segment_starts(work: Sequence[float], count: int) -> list[int]:
    """Return the rising indices of the GOPs that `count` segments of about equal work begin with.

    `work` is that of each GOP. The first segment begins with GOP 0; few GOPs make fewer segments.
    """
    before = [0.0, *accumulate(work)]
    starts = {0}
    for part in range(1, count):
        target = before[-1] * part / count
        after = bisect_left(before, target)
        is_nearer = after == 0 or before[after] - target < target - before[after - 1]
        starts.add(after if is_nearer else after - 1)
    return sorted(starts - {len(work)})
