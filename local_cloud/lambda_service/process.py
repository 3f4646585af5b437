"""The process of a sandbox: its memory with that of its children, its exit code, its end."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

import psutil

from local_cloud.lambda_service.forks import Running

_CHILDREN_EVERY_S = 0.5


class FunctionProcess:
    """A process in a session of its own, so that it and its children end together."""

    def __init__(self, process: Running) -> None:
        self._process = process
        self._observed = psutil.Process(self._process.pid)
        self._children: list[psutil.Process] = []
        self._children_seen_s = 0.0

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._process.poll()

    def resident_bytes(self) -> int:
        """Return the memory of the process and its children; 0 once it has ended."""
        # Listing children walks all processes of the machine: too slow to do it every time.
        if time.monotonic() - self._children_seen_s > _CHILDREN_EVERY_S:
            self._children = self._find_children()
            self._children_seen_s = time.monotonic()
        return sum(_resident_bytes(process) for process in [self._observed, *self._children])

    def limit_files(self, largest_bytes: int) -> None:
        """Limit the size of the files that the process can write; only on Linux, elsewhere do nothing."""
        if sys.platform == "linux":
            with suppress(psutil.NoSuchProcess):
                self._observed.rlimit(psutil.RLIMIT_FSIZE, (largest_bytes, largest_bytes))

    def kill(self) -> None:
        """End the process and its children, and wait for it."""
        children = self._find_children()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.wait()

    def _find_children(self) -> list[psutil.Process]:
        try:
            return self._observed.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
