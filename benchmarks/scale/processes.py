"""Run a function in a process, and measure its CPU, wall time, peak memory and scratch space.

Import nothing heavy here: on Linux a child's peak memory starts at its parent's.
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
    """Cost of one function: CPU and wall seconds, peaks in MB; with the fields of its last log line."""

    function: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    scratch_mb: float
    facts: dict[str, Any]
    answer: dict[str, Any]


@dataclass(frozen=True)
class Lambda:
    """Environment of functions, and a folder in which each gets a directory for temporary files."""

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
    """Wait for the end of a process; return its resource usage and the peak bytes of its files."""
    peak_bytes = 0
    while True:
        # The only call that reports the memory of one child.
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
    """Return inode and bytes of open files below `folder`: deleted files take space while open."""
    links: list[Path] = []
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()).startswith(f"{folder}/"):
                    links.append(link)
    return dict(_sizes(links))


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
