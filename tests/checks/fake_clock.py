"""A clock that only waiting moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.pace import Pace


@dataclass
class FakeClock:
    """Seconds since some moment, and the waits so far."""

    now_s: float = 1000.0
    waits_s: list[float] = field(default_factory=list)

    def sleep(self, wait_s: float) -> None:
        """Move on."""
        self.waits_s.append(wait_s)
        self.now_s += wait_s

    def pace(self, remaining_s: float = 900.0) -> Pace:
        """Return a pace of this clock, without chance."""
        return Pace(remaining_s, lambda: self.now_s, self.sleep, lambda: 0.5)
