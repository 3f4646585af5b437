"""The pace of one function's calls to a service whose quota other functions share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

# Two calls of the client to their timeouts, and writing the largest document.
_RESERVED_S = 120.0
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 20.0
_SHORTEST_WAIT_S = 0.05
_SLOWER, _FASTER = 2.0, 0.8
_MS_PER_S = 1000


class LambdaContext(Protocol):
    """The part of what Lambda hands to a handler that tells the time."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the ms until Lambda ends the invocation."""


class Pace:
    """The waits between calls: twice as long after a refusal, a fifth shorter after an answer.

    A quota counts the calls of an account, so no caller knows its own share. `remaining_s` is the time that
    the function has left; waits end early enough to store what was read.
    """

    def __init__(
        self,
        remaining_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock, self._sleep, self._chance = clock, sleep, chance
        # A function of a minute has half a minute: it must read one page at least.
        self._end_s = clock() + remaining_s - min(_RESERVED_S, remaining_s / 2)
        self._wait_s = 0.0

    @classmethod
    def of_invocation(cls, context: LambdaContext) -> Pace:
        """Return the pace of an invocation; `context` is what Lambda hands to the handler."""
        return cls(context.get_remaining_time_in_millis() / _MS_PER_S)

    @property
    def is_over(self) -> bool:
        """Return whether the time for calls is used up."""
        return self._clock() >= self._end_s

    def wait(self) -> None:
        """Wait before the next call, by chance half as long or half as long again; not past the end."""
        left_s = max(0.0, self._end_s - self._clock())
        if self._wait_s:
            self._sleep(min(left_s, self._wait_s * (0.5 + self._chance())))

    def answered(self) -> None:
        """Call more often from now on."""
        shorter_s = self._wait_s * _FASTER
        self._wait_s = shorter_s if shorter_s > _SHORTEST_WAIT_S else 0.0

    def refused(self) -> None:
        """Call less often from now on."""
        self._wait_s = min(_LONGEST_WAIT_S, max(_FIRST_WAIT_S, self._wait_s * _SLOWER))
