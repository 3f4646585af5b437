"""A clock for threads that mostly wait: it moves on once all of them do."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable


class SimulatedClock:
    """Runs one thread at a time, the one whose wait ends first; equal `dice` give equal runs."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._now_s = 0.0
        self._numbers = itertools.count()
        # Waiting threads: the end of the wait, a number that no two share, and what wakes the thread.
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._is_over = threading.Event()
        self._errors: list[BaseException] = []

    def now(self) -> float:
        """Return the simulated time in s."""
        return self._now_s

    def chance(self) -> float:
        """Return a number from 0 to 1."""
        return self._dice.random()

    def sleep(self, wait_s: float) -> None:
        """Wait in simulated time."""
        woken = self._queue(wait_s)
        self._wake_next()
        woken.wait()

    def start(self, function: Callable[[], None]) -> None:
        """Run `function` in a thread of its own once the simulation runs."""
        woken = self._queue(0)

        def run() -> None:
            woken.wait()
            try:
                function()
            except BaseException as error:  # noqa: BLE001 raised by run()
                self._errors.append(error)
            self._wake_next()

        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Run all threads to their ends; raise the first error of one."""
        self._wake_next()
        self._is_over.wait()
        if self._errors:
            raise self._errors[0]

    def _queue(self, wait_s: float) -> threading.Event:
        woken = threading.Event()
        heapq.heappush(self._waiting, (self._now_s + wait_s, next(self._numbers), woken))
        return woken

    def _wake_next(self) -> None:
        if not self._waiting:
            self._is_over.set()
            return
        self._now_s, _, woken = heapq.heappop(self._waiting)
        woken.set()
