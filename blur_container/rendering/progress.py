"""Progress of a rendering: a bar in a terminal, lines in a log, and the time of each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from chalicelib.contract.log import EventLog

_CELLS = 30
_PAUSE_S = 0.1
_CLEAR = "\r\x1b[K"


# Log lines come often in the first seconds, when people watch, and seldom later: lines cost money.
_FAST_FOR_S = 10.0
_FAST_PAUSE_S = 0.5
_SLOW_PAUSE_S = 5.0


class ProgressBar:
    """Rewrites one line of `stream` if that is a terminal, else writes nothing; `clock` counts seconds."""

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begin_s = clock()
        self._due_s = self._begin_s
        self._is_shown = stream.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show `progress`, at most ten times a second."""
        moment_s = self._clock()
        if self._is_shown and moment_s >= self._due_s:
            self._due_s = moment_s + _PAUSE_S
            self._write(_CLEAR + bar_text(progress, moment_s - self._begin_s))

    def close(self) -> None:
        """Clear the line."""
        if self._is_shown:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar_text(progress: Progress, elapsed_s: float) -> str:
    """Return the text of the bar; without a known total it shows the count only."""
    rate = progress.frames / elapsed_s if elapsed_s else 0.0
    if progress.step != "rendering":
        return f"{progress.step}: {progress.frames}/{progress.frames_total or '?'} frames"
    if not progress.frames_total:
        return f"{progress.frames} frames, {rate:.0f} frames/s"
    share = min(1.0, progress.frames / progress.frames_total)
    full = int(share * _CELLS)
    bar = "#" * full + "-" * (_CELLS - full)
    return f"[{bar}] {share:4.0%}  {progress.frames}/{progress.frames_total} frames, {rate:.0f} frames/s"


class Steps:
    """Records seconds and bytes of each step, in order."""

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, float]] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[dict[str, float]]:
        """Time one step; the caller may add its bytes to the yielded dict."""
        begin_s = time.monotonic()
        facts: dict[str, float] = {}
        yield facts
        self._steps[name] = {"seconds": round(time.monotonic() - begin_s, 3), **facts}

    @property
    def seconds(self) -> float:
        """Return the sum of all steps."""
        return seconds_of(self._steps)

    def to_json(self) -> dict[str, dict[str, float]]:
        """Return the steps as a JSON object."""
        return dict(self._steps)


def seconds_of(steps: Mapping[str, Mapping[str, float]]) -> float:
    """Return the sum of the seconds of `steps`, as `Steps.to_json` gives them."""
    return sum(facts.get("seconds", 0.0) for facts in steps.values())


@dataclass(frozen=True)
class Progress:
    """Frames done and in total of one step; the total is the container's count, 0 if it has none."""

    frames: int
    frames_total: int
    step: str = "rendering"


class ProgressLog:
    """Logs a line named after the step every few seconds; `clock` counts seconds."""

    def __init__(self, log: EventLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._begin_s = clock()
        self._due_s = self._begin_s

    def __call__(self, progress: Progress) -> None:
        """Log `progress` if a line is due."""
        moment_s = self._clock()
        if moment_s < self._due_s:
            return
        fast = moment_s - self._begin_s < _FAST_FOR_S
        self._due_s = moment_s + (_FAST_PAUSE_S if fast else _SLOW_PAUSE_S)
        self._log.info(progress.step, frames=progress.frames, frames_total=progress.frames_total)
