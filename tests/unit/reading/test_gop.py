"""Groups of pictures: where they begin, which are encoded, and when packets are decoded."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.reading.gop import Groups, Run, decode_times


def groups(*times: list[int]) -> Groups:
    """Return groups with these pts, in decode order."""
    pts = [time for group in times for time in group]
    starts = [sum(len(group) for group in times[:place]) for place in range(len(times))]
    return Groups(array("q", pts), array("q", starts))


def test_nothing_has_no_group() -> None:
    """An empty stream has nothing to encode."""
    assert groups().runs(lambda _: True) == ()


def test_group_ends_where_the_next_begins() -> None:
    """Packets are counted through the whole stream."""
    assert list(groups([0, 2, 1], [3], [4, 5])) == [range(3), range(3, 4), range(4, 6)]


def test_one_face_in_one_frame_marks_its_whole_group() -> None:
    """Doubt encodes: a group without any face is the only one to be copied."""
    found = groups([0, 2, 1], [3, 4], [5, 6]).runs(lambda pts: pts == 4)

    assert found == (
        Run(range(3), encoded=False),
        Run(range(3, 5), encoded=True),
        Run(range(5, 7), encoded=False),
    )


def test_neighbours_with_the_same_fate_are_one_run() -> None:
    """Neighbouring groups that are all copied, or all encoded, are one run."""
    found = groups([0, 1], [2, 3], [4], [5]).runs(lambda pts: pts in (1, 2))

    assert found == (Run(range(4), encoded=True), Run(range(4, 6), encoded=False))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(groups([0, 3, 1], [4, 6, 5]), True, id="in order"),
        pytest.param(groups([0, 5, 1], [4, 6]), False, id="shown after the next group began"),
        pytest.param(groups([0, 2], [1, 3]), False, id="interleaved"),
        pytest.param(groups([0, 1, 1], [2]), False, id="one time twice"),
        pytest.param(groups([0, 1], [1, 2]), False, id="the same time in both"),
    ],
)
def test_groups_follow_each_other_or_not(listed: Groups, *, expected: bool) -> None:
    """A group may be exchanged only if none of its frames is shown among those of another."""
    assert listed.follow_each_other() is expected


@pytest.mark.parametrize(
    ("listed", "delay"),
    [
        pytest.param(groups([0, 1, 2]), 0, id="no B-frames"),
        pytest.param(groups([0, 2, 1]), 1, id="one B-frame"),
        pytest.param(groups([0, 4, 2, 1, 3]), 2, id="pyramid"),
        pytest.param(groups([0, 1], [2, 6, 4, 3, 5]), 2, id="the deepest group counts"),
    ],
)
def test_delay_is_how_far_decoding_is_ahead(listed: Groups, delay: int) -> None:
    """The delay is the number of packets decoded before the first frame is shown."""
    assert listed.reorder_delay() == delay


def test_early_packets_are_decoded_before_the_first_frame_is_shown() -> None:
    """Each dts is the pts `delay` frames earlier, extended to before the first pts."""
    assert list(decode_times([100, 110, 130, 140], 2)) == [80, 90, 100, 110]


@pytest.mark.parametrize("shown", [[], [7]])
def test_short_streams_have_times_too(shown: list[int]) -> None:
    """A stream with fewer frames than the delay gets decoding times."""
    assert len(decode_times(shown, 2)) == len(shown)


@given(
    st.lists(st.permutations([0, 1, 2, 3, 4]), min_size=1, max_size=6),
    st.integers(1, 1000),
    st.integers(-5000, 5000),
)
def test_decoding_rises_and_is_never_after_showing(orders: list[list[int]], step: int, start: int) -> None:
    """In any order within groups, dts rise strictly and never exceed their pts."""
    # The first packet of a group is shown first.
    times = [
        [start + step * (6 * place), *(start + step * (6 * place + 1 + one) for one in order)]
        for place, order in enumerate(orders)
    ]
    listed = groups(*times)

    dts = decode_times(sorted(listed.pts), listed.reorder_delay())

    assert sorted(set(dts)) == list(dts)
    assert all(decoded <= shown for decoded, shown in zip(dts, listed.pts, strict=True))
