"""The quota of calls a second."""

from __future__ import annotations

from local_cloud.rekognition_service.quota import CallQuota
from tests.checks.fake_clock import FakeClock


def test_calls_of_one_second_are_answered_at_once() -> None:
    """Five, and no sixth."""
    clock = FakeClock()
    quota = CallQuota(5, lambda: clock.now_s)

    admitted = [quota.admits() for _ in range(7)]

    assert admitted == [True] * 5 + [False] * 2


def test_refused_calls_cost_nothing() -> None:
    """A fifth of a second later there is one place again."""
    clock = FakeClock()
    quota = CallQuota(5, lambda: clock.now_s)
    [quota.admits() for _ in range(50)]
    clock.sleep(0.21)

    admitted = [quota.admits() for _ in range(2)]

    assert admitted == [True, False]


def test_pause_saves_up_a_second_at_most() -> None:
    """After an hour five calls are answered at once, as at first."""
    clock = FakeClock()
    quota = CallQuota(5, lambda: clock.now_s)
    clock.sleep(3600)

    admitted = [quota.admits() for _ in range(6)]

    assert admitted == [True] * 5 + [False]
