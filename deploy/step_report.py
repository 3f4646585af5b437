"""What a deployment tells: one line for each step that is done, and what is under way meanwhile."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from rich.console import Console


class Report:
    """Lines with the seconds since the start; `console` is where they go."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin_s = time.monotonic()

    def under_way(self, text: str) -> AbstractContextManager[object]:
        """Show `text` with a spinner while the body runs, on a terminal."""
        return self._console.status(text)

    def step(self, name: str, outcome: str) -> None:
        """Print a step that is done."""
        seconds = time.monotonic() - self._begin_s
        self._console.print(f"{seconds:6.1f} s  {name:<11} {outcome}", soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line that belongs to the step above."""
        self._console.print(f"          {text}", soft_wrap=True)


def silent_report() -> Report:
    """Return a report that nobody sees."""
    return Report(Console(quiet=True))
