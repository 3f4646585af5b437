"""Simulate a storm: how the retry intervals of the state machine affect its duration and its traffic.

`python -m benchmarks.storm.retry_model`. Executions call their functions one after the other and share the
account's concurrency; a refused call waits as the retrier says, with full jitter. Nothing is measured.
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_FIRST_WAIT_S, _BACKOFF = 2.0, 2.0
_LONGEST_WAITS_S = (30, 60, 120, 300, 900)
_SEEDS = range(5)
_TINY, _REAL = (0.3, 0.3, 0.3, 0.5, 0.2), (0.3, 0.3, 0.6, 90.0, 0.3)


@dataclass(frozen=True)
class Case:
    """Number of uploads and of concurrent invocations, and the run time of each of an upload's functions."""

    name: str
    uploads: int
    places: int
    functions_s: tuple[float, ...]

    @property
    def ideal_s(self) -> float:
        """Return the duration in seconds with all of the account's concurrency in use until the end."""
        return self.uploads * sum(self.functions_s) / self.places


@dataclass(frozen=True)
class Outcome:
    """Seconds until 90 % and until all uploads ended; refusals of an upload, their mean and maximum."""

    most_s: float
    all_s: float
    refused: float
    refused_most: float


CASES = (
    Case("tiny clips", 500, 10, _TINY),
    Case("renders of 90 s", 100, 10, _REAL),
    Case("renders of 90 s", 500, 10, _REAL),
    Case("renders of 90 s", 500, 100, _REAL),
)


def main() -> None:
    """Print the table."""
    print(
        "| uploads | places | at least, s | longest wait, s | 90 % | all | refusals of an upload | at most |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for case in CASES:
        for longest_s in _LONGEST_WAITS_S:
            found = [simulated(case, longest_s, seed) for seed in _SEEDS]
            shown = [
                f"{statistics.mean(one.most_s for one in found):.0f}",
                f"{statistics.mean(one.all_s for one in found):.0f}",
                f"{statistics.mean(one.refused for one in found):.0f}",
                f"{max(one.refused_most for one in found):.0f}",
            ]
            head = f"{case.uploads} {case.name} | {case.places} | {case.ideal_s:.0f} | {longest_s}"
            print(f"| {head} | {' | '.join(shown)} |")


def simulated(case: Case, longest_s: float, seed: int) -> Outcome:
    """Return the outcome of `case` with waits of at most `longest_s`; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 chosen by lot, and again by the same seed
    free_at_s: list[float] = []  # End of each running invocation.
    ended_s: list[float] = []
    refusals = [0] * case.uploads
    # Time of the next call, upload, index of its function, refusals of that function.
    ahead = [(dice.uniform(0, _FIRST_WAIT_S), upload, 0, 0) for upload in range(case.uploads)]
    heapq.heapify(ahead)
    while ahead:
        moment_s, upload, step, tries = heapq.heappop(ahead)
        while free_at_s and free_at_s[0] <= moment_s:
            heapq.heappop(free_at_s)
        if len(free_at_s) == case.places:
            refusals[upload] += 1
            waited_s = dice.uniform(0, min(longest_s, _FIRST_WAIT_S * _BACKOFF ** min(tries, 20)))
            heapq.heappush(ahead, (moment_s + waited_s, upload, step, tries + 1))
            continue
        done_s = moment_s + case.functions_s[step] * dice.uniform(0.7, 1.3)
        heapq.heappush(free_at_s, done_s)
        if step + 1 < len(case.functions_s):
            heapq.heappush(ahead, (done_s, upload, step + 1, 0))
        else:
            ended_s.append(done_s)
    return _outcome(sorted(ended_s), refusals)


def _outcome(ended_s: Sequence[float], refusals: Sequence[int]) -> Outcome:
    return Outcome(
        ended_s[len(ended_s) * 9 // 10], ended_s[-1], statistics.mean(refusals), float(max(refusals))
    )


if __name__ == "__main__":
    main()
