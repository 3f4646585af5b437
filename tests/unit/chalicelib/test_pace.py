"""The pace of calls: slower after refusals, faster after answers, and over in time."""

from __future__ import annotations

import pytest

from tests.checks.fake_clock import FakeClock


def test_first_call_waits_for_nothing() -> None:
    """A document that is alone is read as fast as Rekognition answers."""
    clock = FakeClock()

    clock.pace().wait()

    assert clock.waits_s == []


def test_refusals_double_the_wait_up_to_twenty_seconds() -> None:
    """However many executions share the quota, each of them asks three times a minute."""
    clock = FakeClock()
    pace = clock.pace()

    for _ in range(8):
        pace.refused()
        pace.wait()

    assert clock.waits_s == [0.25, 0.5, 1, 2, 4, 8, 16, 20]


def test_answers_shorten_the_wait_to_nothing() -> None:
    """Who is alone again does not go on waiting."""
    clock = FakeClock()
    pace = clock.pace()
    pace.refused()

    for _ in range(10):
        pace.answered()
        pace.wait()

    assert clock.waits_s == pytest.approx([0.2, 0.16, 0.128, 0.1024, 0.08192, 0.065536, 0.0524288])


@pytest.mark.parametrize(("remaining_s", "calling_s"), [(900, 780), (60, 30)])
def test_time_ends_early_enough_to_store(remaining_s: float, calling_s: float) -> None:
    """Two minutes before Lambda ends the function; of a short one half the time."""
    clock = FakeClock()
    pace = clock.pace(remaining_s)

    clock.sleep(calling_s - 0.001)
    is_over_before = pace.is_over
    clock.sleep(0.001)

    assert (is_over_before, pace.is_over) == (False, True)


def test_no_wait_goes_past_the_end() -> None:
    """The last one is cut."""
    clock = FakeClock()
    pace = clock.pace(60)
    clock.sleep(29.9)
    pace.refused()

    pace.wait()

    assert clock.waits_s[-1] == pytest.approx(0.1)
