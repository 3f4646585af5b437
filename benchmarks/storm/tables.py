"""Print the results of a storm as Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.storm.result import Result
from benchmarks.storm.traffic import GET_DETECTION, INVOKE, START_DETECTION, Calls, total

_PREFIX = "face-blur-local-"
_LISTED_MAX = 20  # Further violations are counted only.


def tables(result: Result) -> str:
    """Return tables of endings, times and traffic, and a list of violations."""
    parts = [_summary(result), _bounds(result), _functions(result), _traffic(result)]
    violations = [f"- {text}" for text in result.violations]
    if violations:
        parts.append("\n".join([f"{len(violations)} violations:", *violations[:_LISTED_MAX]]))
    return "\n\n".join(parts)


def _summary(result: Result) -> str:
    plan, machine = result.plan, result.machine
    statuses = Counter(status for ending in result.endings for status in ending.statuses)
    executions = Counter(len(ending.statuses) for ending in result.endings)
    rows = [
        ("uploads", plan.uploads),
        ("executions SUCCEEDED / FAILED", f"{statuses['SUCCEEDED']} / {statuses['FAILED']}"),
        ("uploads without an execution", executions[0]),
        ("executions per upload", ", ".join(map(str, sorted(executions)))),
        ("outputs", sum(ending.has_output for ending in result.endings)),
        ("manifests", sum(bool(ending.manifest_status) for ending in result.endings)),
        ("lost events", result.lost_events),
        ("violations", len(result.violations)),
        ("half ended, 90 % ended, all ended, s", _times(result.ended_after_s)),
        ("at least, s", f"{max(result.bounds_s.values()):.0f}"),
        ("invocations, of the concurrency", f"{_share(result):.2f}"),
        ("refused invocations for one that ran", _ratio(total(result.calls, _is_invoke))),
        ("refused detections for one that started", _ratio(total(result.calls, START_DETECTION.__eq__))),
        (
            "refused calls for results for one answered",
            _ratio(total(result.calls, GET_DETECTION.__eq__)),
        ),
        ("memory of cloud / functions at most, MB", f"{machine.cloud_mb:.0f} / {machine.functions_mb:.0f}"),
        ("threads of the cloud / processes at most", f"{machine.threads} / {machine.processes}"),
    ]
    head = f"| {plan.uploads} uploads, {plan.jobs} jobs, {plan.lambdas} invocations at once | |"
    return "\n".join([head, "|---|---:|", *(f"| {name} | {figure} |" for name, figure in rows)])


def _bounds(result: Result) -> str:
    rows = [f"| {name} | {bound_s:.0f} |" for name, bound_s in result.bounds_s.items()]
    return "\n".join(["| at least | s |", "|---|---:|", *rows])


def _functions(result: Result) -> str:
    rows = [
        f"| {name.removeprefix(_PREFIX)} | {spent.runs} | {spent.runs / result.plan.uploads:.2f}"
        f" | {spent.seconds:.0f} | {spent.seconds / max(1, spent.runs):.2f} |"
        for name, spent in result.functions.items()
    ]
    return "\n".join(["| function | runs | per upload | s | s a run |", "|---|---:|---:|---:|---:|", *rows])


def _traffic(result: Result) -> str:
    head = ["| caller | call | calls | done | refused | otherwise | calls per done |"]
    return "\n".join([*head, "|---|---|---:|---:|---:|---|---:|", *_traffic_rows(result)])


def _traffic_rows(result: Result) -> Iterator[str]:
    for (caller, action), calls in result.calls.items():
        names = f"| {caller.removeprefix(_PREFIX)} | {action.replace(_PREFIX, '')} "
        otherwise = ", ".join(f"{name}: {count}" for name, count in sorted(calls.other.items()))
        per_done = f"{calls.asked / calls.done:.2f}" if calls.done else ""
        yield f"{names}| {calls.asked} | {calls.done} | {calls.refused} | {otherwise} | {per_done} |"


def _is_invoke(action: str) -> bool:
    return action.startswith(INVOKE)


def _ratio(calls: Calls) -> str:
    return f"{calls.refused} / {calls.done} = {calls.refused / max(1, calls.done):.2f}"


def _share(result: Result) -> float:
    """Return the share of the account's concurrency that was in use until all executions ended."""
    used_s = sum(function.seconds for function in result.functions.values())
    return used_s / max(1e-9, result.plan.lambdas * result.wall_s)


def _times(ended_after_s: Sequence[float]) -> str:
    last = len(ended_after_s) - 1
    return (
        ", ".join(f"{ended_after_s[last * percent // 100]:.0f}" for percent in (50, 90, 100))
        if last >= 0
        else ""
    )
