"""The quota of calls a second that all callers of an account share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CallQuota:
    """Admits `calls_per_s` calls a second on average, and those of one second at once."""

    def __init__(self, calls_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls_per_s, self._clock = calls_per_s, clock
        self._lock = threading.Lock()
        self._most = max(1.0, calls_per_s)
        self._left, self._seen_s = self._most, clock()

    def admits(self) -> bool:
        """Return whether a call is answered now; one that is refused does not count."""
        with self._lock:
            now_s = self._clock()
            self._left = min(self._most, self._left + (now_s - self._seen_s) * self._calls_per_s)
            self._seen_s = now_s
            if self._left < 1:
                return False
            self._left -= 1
            return True
