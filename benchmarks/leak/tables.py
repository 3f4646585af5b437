"""Print outcomes of the leak benchmark as text tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from benchmarks.leak.metrics import HALF, Score, leak, score
from benchmarks.leak.runs import Outcome

_HEADING = (
    f"{'':22s}{'all':>13s}{'seen':>16s}{'longest':>10s}{'uncov.':>8s}{'over-':>8s}{'ms a':>8s}\n"
    f"{'leak at':22s}{'95 %':>7s}{'50 %':>8s}{'95 %':>8s}{'50 %':>8s}{'frames':>8s}{'app. %':>8s}"
    f"{'blur':>8s}{'frame':>8s}  worst kinds (leak at 50 %)"
)
_WORST = 4
_PERCENT = 100
# Kinds that leak less are not named.
_WORTH_MENTION = 0.0005


def by_method(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes of each method, in order of first appearance."""
    return _grouped(outcomes, lambda outcome: outcome.method)


def total(outcomes: Sequence[Outcome]) -> Score:
    """Return the figures of all `outcomes` together."""
    exposures = [exposure for outcome in outcomes for exposure in outcome.exposures]
    return score(exposures, [outcome.blurred for outcome in outcomes])


def table(outcomes: Iterable[Outcome]) -> str:
    """Return one line per method."""
    rows = [_row(name, ones) + _worst(ones) for name, ones in by_method(outcomes).items()]
    return "\n".join([_HEADING, *rows])


def clip_tables(outcomes: Iterable[Outcome]) -> str:
    """Return one table per clip, a line per method."""
    text: list[str] = []
    for clip, ones in _grouped(outcomes, lambda outcome: outcome.clip).items():
        text += [f"\n{clip}", *(_row(name, rows) for name, rows in by_method(ones).items())]
    return "\n".join(text)


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    figures = total(outcomes)
    leaks = (figures.leak_95, figures.leak_50, figures.seen_leak_95, figures.seen_leak_50)
    cost_ms = sum(outcome.cost_ms for outcome in outcomes) / sum(outcome.frames for outcome in outcomes)
    return (
        f"{name:21s}"
        + "".join(f"{_PERCENT * share:8.2f}" for share in leaks)
        + f"{figures.longest_run:8d}{_PERCENT * figures.uncovered_appearances:8.1f}"
        + f"{figures.over_blur:8.2f}{cost_ms:8.2f}"
    )


def _worst(outcomes: Sequence[Outcome]) -> str:
    """Return the kinds of motion that leak most, with their leak in percent."""
    leaks = {
        kind: leak((exposure for one in ones for exposure in one.exposures), HALF)
        for kind, ones in _grouped(outcomes, lambda outcome: outcome.kind).items()
    }
    worst = sorted(leaks, key=lambda kind: -leaks[kind])[:_WORST]
    words = [f"{kind} {_PERCENT * leaks[kind]:.1f}" for kind in worst if leaks[kind] >= _WORTH_MENTION]
    return "  " + ", ".join(words)


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    groups: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[key(outcome)].append(outcome)
    return dict(groups)
