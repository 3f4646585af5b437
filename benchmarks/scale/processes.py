"""Measured processes: a function's CPU, wall, peak memory and scratch space, and what it logged.

Nothing heavy is imported here: on Linux a child's peak memory begins with its parent's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POLL_S = 0.1
_BLOCK_BYTES = 512
_MEGA = 1e6


@dataclass(frozen=True)
class Ran:
    """What one function took: seconds of CPU and by the clock, peaks in MB, and its last log line."""

    function: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    scratch_mb: float
    facts: dict[str, Any]
    answer: dict[str, Any]


@dataclass(frozen=True)
class Lambda:
    """Where functions run: their environment, and a folder whose subfolders stand in for /tmp."""

    environment: Mapping[str, str]
    folder: Path

    def invoke(self, handler: str, event: Mapping[str, Any], processors: Sequence[int]) -> Ran:
        """Run `handler` once, cold, on `processors`; raise CalledProcessError where it fails."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            scratch, answer, log = (Path(place) / name for name in ("tmp", "answer.json", "log"))
            scratch.mkdir()
            given, command = Path(place) / "event.json", _command(handler, processors, answer)
            given.write_text(json.dumps(event))
            environment = {**self.environment, "TMPDIR": str(scratch)}
            begin_s = time.monotonic()
            with given.open() as source, log.open("w") as lines:
                process = subprocess.Popen(command, stdin=source, stdout=lines, env=environment)
                used, scratch_bytes = _watched(process, scratch)
            wall_s = time.monotonic() - begin_s
            if process.returncode:
                sys.stderr.write(log.read_text())
                raise subprocess.CalledProcessError(process.returncode, command)
            return Ran(
                function=handler,
                cpu_s=used.ru_utime + used.ru_stime,
                wall_s=wall_s,
                peak_mb=used.ru_maxrss * 1024 / _MEGA,
                scratch_mb=scratch_bytes / _MEGA,
                facts=_finished(log.read_text()),
                answer=json.loads(answer.read_text()),
            )


def _command(handler: str, processors: Sequence[int], answer: Path) -> list[str]:
    numbers = ",".join(map(str, processors))
    return [sys.executable, "-m", "benchmarks.scale.one_function", handler, numbers, str(answer)]


def _watched(process: subprocess.Popen[bytes], scratch: Path) -> tuple[Any, int]:
    """Wait for the end of a process; return what it used, and the most bytes its files took."""
    peak_bytes = 0
    while True:
        # The only call that tells the memory of one child.
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used, peak_bytes
        files = {**_named_files(scratch), **_open_files(process.pid, scratch)}
        peak_bytes = max(peak_bytes, sum(files.values()))
        time.sleep(_POLL_S)


def _named_files(folder: Path) -> dict[int, int]:
    return dict(_sizes(folder.rglob("*")))


def _open_files(pid: int, folder: Path) -> dict[int, int]:
    """Return the open files below `folder`: those without a name take room too."""
    held: list[Path] = []
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()).startswith(f"{folder}/"):
                    held.append(link)
    return dict(_sizes(held))


def _sizes(paths: Iterator[Path] | Sequence[Path]) -> Iterator[tuple[int, int]]:
    with suppress(OSError):
        for path in paths:
            with suppress(OSError):
                found = path.stat()
                yield found.st_ino, found.st_blocks * _BLOCK_BYTES


def _finished(log: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    facts: dict[str, Any] = next(line for line in reversed(lines) if line["message"] == "finished")
    return facts
