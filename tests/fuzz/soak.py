"""Run mutants for a given time, in a worker process that is started again after a crash or a hang.

`python -m tests.fuzz.soak SECONDS [FIRST_SEED]` prints each find, and a table at the end; the exit code is 1
after any find. It starts `python -m tests.fuzz.soak worker FOLDER FIRST COUNT`.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.trials import FIND, Laboratory

_BATCH = 250
_HANG_S = 60
# The function's memory, as a limit on address space, which is more than the memory in use.
_MEMORY_BYTES = 3538 * 1024**2
_KILOBYTES = 1024


@dataclass
class Soak:
    """Results so far: ends by kind of mutant, finds, peak memory of a worker, and the slowest mutant."""

    ends: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    finds: list[dict[str, Any]] = field(default_factory=list)
    memory_mb: int = 0
    slowest_s: float = 0.0

    def run(self, seconds: float, first_seed: int) -> None:
        """Run mutants until the time is up."""
        deadline_s, seed = time.monotonic() + seconds, first_seed
        with tempfile.TemporaryDirectory() as folder:
            while time.monotonic() < deadline_s:
                seed = self._batch(Path(folder), seed, deadline_s)

    def table(self) -> str:
        """Return a text table of ends by kind of mutant."""
        mutants = sum(sum(ends.values()) for ends in self.ends.values())
        lines = [f"{mutants} mutants, {self.memory_mb} MB at most, the slowest {self.slowest_s} s"]
        for kind, ends in sorted(self.ends.items()):
            counts = ", ".join(f"{name} {count}" for name, count in ends.most_common())
            lines.append(f"{kind} ({sum(ends.values())}): {counts}")
        return "\n".join([*lines, f"{len(self.finds)} finds"])

    def _batch(self, folder: Path, first: int, deadline_s: float) -> int:
        """Run one worker to its end; return the seed to go on with."""
        seed, ended = first, False
        command = [sys.executable, "-m", "tests.fuzz.soak", "worker", str(folder), str(first), str(_BATCH)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
            for line in _lines(worker):
                seed, ended = line["seed"], "end" in line
                if ended:
                    self._note(line)
                # Stop between two mutants only: a running one is not a hang.
                if ended and time.monotonic() > deadline_s:
                    break
            hung = worker.poll() is None and not ended
            worker.kill()
            code = worker.wait()
        if not ended:
            how = f"hang of {_HANG_S} s" if hung else f"crash, exit code {code}"
            self._note({"seed": seed, "kind": "process", "how": "", "end": f"{FIND} {how}", "seconds": 0})
        return seed + 1

    def _note(self, line: dict[str, Any]) -> None:
        name = line["end"] if not line["end"].startswith(FIND) else FIND
        self.ends[line["kind"]][name] += 1
        self.memory_mb = max(self.memory_mb, line.get("memory_mb", 0))
        self.slowest_s = max(self.slowest_s, line["seconds"])
        if name == FIND:
            self.finds.append(line)
            print(json.dumps(line), flush=True)


def _lines(worker: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the worker's lines, parsed as JSON, until it ends or prints nothing for too long."""
    assert worker.stdout is not None
    pending, descriptor = b"", worker.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(_HANG_S) and (fresh := os.read(descriptor, 65536)):
            *whole, pending = (pending + fresh).split(b"\n")
            yield from (json.loads(line) for line in whole)


def work(folder: Path, first: int, count: int) -> None:
    """Run `count` mutants; print a line before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    laboratory = Laboratory(folder)
    for seed in range(first, first + count):
        print(json.dumps({"seed": seed}), flush=True)
        ending = laboratory.run(seed)
        used_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KILOBYTES
        print(json.dumps({**asdict(ending), "memory_mb": used_mb}), flush=True)


def main(seconds: float, first_seed: int = 0) -> int:
    """Run the soak; return the exit code."""
    soak = Soak()
    soak.run(seconds, first_seed)
    print(soak.table())
    return 1 if soak.finds else 0


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        work(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main(float(sys.argv[1]), *map(int, sys.argv[2:3])))
