"""Watch a storm until it is over: count executions, measure memory and threads, print progress to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass

import psutil

from benchmarks.storm.endings import RUNNING, read_executions
from benchmarks.storm.traffic import START_EXECUTION, calls_by_action, total
from local_cloud.cloud import LocalCloud

_POLL_EVERY_S = 1.0
_POLL_SHARE = 20  # Listing hundreds of executions takes CPU time of this process, which is the cloud.
_PRINT_EVERY_S = 10.0
_STALLED_S = 900.0  # Longer than any wait of the state machine.
_MEGA = 1e6


@dataclass
class Machine:
    """Resources of this machine that the storm used: peaks, and CPU seconds so far."""

    cloud_mb: float = 0.0
    functions_mb: float = 0.0
    processes: int = 0
    threads: int = 0
    cloud_cpu_s: float = 0.0
    functions_cpu_s: float = 0.0

    def measure(self) -> None:
        """Measure this process, which is the cloud, and its children, which are the functions."""
        own = psutil.Process()
        children = [usage for child in own.children(recursive=True) if (usage := _usage(child))]
        self.cloud_mb = max(self.cloud_mb, own.memory_info().rss / _MEGA)
        self.functions_mb = max(self.functions_mb, sum(mb for mb, _ in children))
        self.processes = max(self.processes, len(children))
        self.threads = max(self.threads, own.num_threads())
        self.cloud_cpu_s = _cpu_s(own)
        self.functions_cpu_s = sum(cpu_s for _, cpu_s in children)


def wait_until_over(cloud: LocalCloud, deliveries: int, uploads: int, machine: Machine) -> None:
    """Wait until every event is handled and every execution ended, or nothing changes for 15 minutes."""
    begin_s = changed_s = time.monotonic()
    printed_s, before = 0.0, (0, 0)
    while (polled_s := time.monotonic()) - changed_s < _STALLED_S:
        machine.measure()
        answers = cloud.answers()
        counts = Counter(execution.status for execution in read_executions(cloud))
        starts = total(calls_by_action(answers), START_EXECUTION.__eq__).asked
        if polled_s - printed_s > _PRINT_EVERY_S:
            printed_s = polled_s
            _print(printed_s - begin_s, starts, counts, machine)
        handled = starts + len(cloud.lost_events) >= deliveries
        if handled and counts.total() >= uploads and not counts[RUNNING]:
            return
        if (seen := (answers.total(), counts[RUNNING])) != before:
            before, changed_s = seen, time.monotonic()
        time.sleep(max(_POLL_EVERY_S, _POLL_SHARE * (time.monotonic() - polled_s)))


def _print(passed_s: float, starts: int, counts: Counter[str], machine: Machine) -> None:
    executions = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()))
    print(
        f"{passed_s:6.0f} s  events handled {starts}; executions: {executions or 'none'};"
        f" cloud {machine.cloud_mb:.0f} MB, threads up to {machine.threads},"
        f" functions {machine.functions_mb:.0f} MB; load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
        flush=True,
    )


def _usage(process: psutil.Process) -> tuple[float, float] | None:
    """Return the memory and the CPU seconds of a process, or None if it has ended."""
    try:
        with process.oneshot():
            return process.memory_info().rss / _MEGA, _cpu_s(process)
    except psutil.Error:
        return None


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
