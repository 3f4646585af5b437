"""Progress: how far a step of a rendering is, as log lines that are frequent at first and rare later."""

from __future__ import annotations

import time
from collections.abc import Callable

from blur_container.rendering import Progress
from chalicelib.contract.log import EventLog

# People watch the first seconds; an hour of them would only be paid for.
_EAGER_FOR_S = 10.0
_EAGER_PAUSE_S = 0.5
_CALM_PAUSE_S = 5.0


class ProgressLog:
    """Writes a line named after the step now and then; `clock` counts seconds."""

    def __init__(self, log: EventLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._begin_s = clock()
        self._due_s = self._begin_s

    def __call__(self, progress: Progress) -> None:
        """Take note of `progress`; write it if a line is due."""
        moment_s = self._clock()
        if moment_s < self._due_s:
            return
        eager = moment_s - self._begin_s < _EAGER_FOR_S
        self._due_s = moment_s + (_EAGER_PAUSE_S if eager else _CALM_PAUSE_S)
        self._log.info(progress.step, frames=progress.frames, frames_total=progress.frames_total)
