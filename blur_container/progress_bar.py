"""The progress bar: how far a rendering is, in one line of a terminal that is written again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO

from blur_container.rendering import Progress

_CELLS = 30
_PAUSE_S = 0.1
_CLEAR = "\r\x1b[K"


class ProgressBar:
    """Writes to `stream` if that is a terminal, else nothing; `clock` counts seconds."""

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begin_s = clock()
        self._due_s = self._begin_s
        self._is_shown = stream.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show `progress`, ten times a second at most."""
        moment_s = self._clock()
        if self._is_shown and moment_s >= self._due_s:
            self._due_s = moment_s + _PAUSE_S
            self._write(_CLEAR + bar_text(progress, moment_s - self._begin_s))

    def close(self) -> None:
        """Leave the line empty for what comes next."""
        if self._is_shown:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar_text(progress: Progress, elapsed_s: float) -> str:
    """Return the line; without a known number of frames it only counts."""
    rate = progress.frames / elapsed_s if elapsed_s else 0.0
    if progress.step != "rendering":
        return f"{progress.step}: {progress.frames}/{progress.frames_total or '?'} frames"
    if not progress.frames_total:
        return f"{progress.frames} frames, {rate:.0f} frames/s"
    share = min(1.0, progress.frames / progress.frames_total)
    full = int(share * _CELLS)
    bar = "#" * full + "-" * (_CELLS - full)
    return f"[{bar}] {share:4.0%}  {progress.frames}/{progress.frames_total} frames, {rate:.0f} frames/s"
