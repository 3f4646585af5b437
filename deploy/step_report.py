"""Prints the progress of a deployment: a line for each finished step, and the current one."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from rich.console import Console


class Report:
    """Prints lines with the seconds since the start to `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin_s = time.monotonic()

    def under_way(self, text: str) -> AbstractContextManager[object]:
        """Show `text` with a spinner while the body runs, on a terminal."""
        return self._console.status(text)

    def step(self, name: str, outcome: str) -> None:
        """Print a finished step."""
        seconds = time.monotonic() - self._begin_s
        self._console.print(f"{seconds:6.1f} s  {name:<11} {outcome}", soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line that belongs to the step above."""
        self._console.print(f"          {text}", soft_wrap=True)


def silent_report() -> Report:
    """Return a report that prints nothing."""
    return Report(Console(quiet=True))
