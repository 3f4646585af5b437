"""Split: as many segments as help, with about equal work."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.segments.split import Costs, segment_count, segment_starts
from blur_container.settings import CuttingSettings

SETTINGS = CuttingSettings(
    aim_s=60, limit_s=450, at_once=40, extra_share=0.15, extra_bytes=10, segment_bytes=2000
)


@pytest.mark.parametrize(
    ("work_s", "count"),
    [(0, 1), (59, 1), (119, 1), (120, 2), (600, 10), (2400, 40), (18_000, 40), (18_001, 41), (360_000, 800)],
)
def test_as_many_as_help_and_more_where_one_takes_too_long(work_s: float, count: int) -> None:
    """Less than two minutes of work stay whole, 40 run at once, and none takes over half the time."""
    assert segment_count(Costs(work_s, 1, 0.01), SETTINGS) == count


def test_a_costly_index_makes_fewer_segments() -> None:
    """Each segment reads the index: fewer segments if it is large."""
    assert segment_count(Costs(6000, 1000, 49), SETTINGS) == 14
    assert segment_count(Costs(600, 1000, 49), SETTINGS) == 3


def test_what_fits_no_disk_is_cut() -> None:
    """Even with little work."""
    assert segment_count(Costs(1, 10_000, 100), SETTINGS) == 5


def test_even_groups_are_shared_out_evenly() -> None:
    """Twelve GOPs, four segments."""
    assert segment_starts([1.0] * 12, 4) == [0, 3, 6, 9]


def test_groups_with_faces_weigh_more() -> None:
    """The second half has all the work: the first segment is longer."""
    assert segment_starts([0.0] * 6 + [1.0] * 6, 2) == [0, 9]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_one_group_cannot_be_cut(count: int) -> None:
    """A video with one keyframe only."""
    assert segment_starts([5.0], count) == [0]


def test_few_groups_make_few_segments() -> None:
    """Three keyframes, forty functions."""
    assert segment_starts([1.0, 1.0, 1.0], 40) == [0, 1, 2]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.integers(1, 50))
def test_no_segment_is_empty_or_more_than_one_group_too_heavy(work: list[float], count: int) -> None:
    """Starts rise from 0; no segment has more than the fair share and one GOP on each side."""
    found = segment_starts(work, count)
    heaviest = max(sum(work[start:stop]) for start, stop in pairwise([*found, len(work)]))

    assert found[0] == 0
    assert all(0 <= one < other < len(work) for one, other in pairwise(found)) or len(found) == 1
    assert len(found) <= count
    assert heaviest <= sum(work) / count + 2 * max(work) or math.isclose(heaviest, sum(work))
