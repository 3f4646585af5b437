"""Tracks: every detection covered, whatever else there is; faces between samples covered too."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.tracking.association import associate
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.faces import Box, Detection
from tests.checks.box_cover import covers, is_covered, rounded

SETTINGS = TrackSettings()

fractions = st.floats(-0.3, 1.2, allow_nan=False)
sizes = st.floats(0.0, 0.8, allow_nan=False)
boxes = st.builds(Box, fractions, fractions, sizes, sizes)
detections = st.builds(Detection, st.integers(0, 5000), boxes, st.floats(0, 100))
documents = st.lists(detections, max_size=25)


def seen(time_ms: int, left: float, top: float = 0.3, size: float = 0.1) -> Detection:
    """Return a square detection."""
    return Detection(time_ms, Box(left, top, size, size), 99.0)


def test_no_detection_gives_no_track() -> None:
    """Empty in, empty out."""
    tracks = Tracks.of([], SETTINGS)

    assert tracks.count == 0
    assert tracks.boxes_at(0) == []


@given(documents)
def test_every_detection_is_covered_at_its_own_time(found: list[Detection]) -> None:
    """Whatever association decides, no detection is lost to it."""
    tracks = Tracks.of(found, SETTINGS)

    assert all(is_covered(tracks, detection.time_ms, detection.box) for detection in found)


@given(documents, st.randoms(use_true_random=False), st.integers(0, 6000))
def test_order_of_detections_does_not_matter(found: list[Detection], random: object, time_ms: int) -> None:
    """A document is a set of detections."""
    shuffled = sorted(found, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis' own Random

    assert Tracks.of(found, SETTINGS).boxes_at(time_ms) == Tracks.of(shuffled, SETTINGS).boxes_at(time_ms)


@given(documents, st.integers(0, 6000), st.integers(1, 100_000))
def test_later_detections_give_the_same_masks_later(found: list[Detection], time_ms: int, by_ms: int) -> None:
    """Only differences in time count."""
    later = [replace(detection, time_ms=detection.time_ms + by_ms) for detection in found]

    shifted = Tracks.of(later, SETTINGS).boxes_at(time_ms + by_ms)

    assert rounded(shifted) == rounded(Tracks.of(found, SETTINGS).boxes_at(time_ms))


@given(documents)
def test_each_detection_is_in_exactly_one_chain(found: list[Detection]) -> None:
    """Association neither drops nor doubles; equal detections count once."""
    tracklets = associate(found, 500, SETTINGS)

    joined = [detection for tracklet in tracklets for detection in tracklet]
    assert len(joined) == len(set(joined))
    assert set(joined) == set(found)


@given(st.floats(-0.1, 1.0), st.floats(-0.3, 0.3), st.integers(100, 1000), st.floats(0, 1))
def test_evenly_moving_face_is_covered_between_samples(
    left: float, speed: float, interval_ms: int, share: float
) -> None:
    """Up to three face widths a second, at any moment from the first sample to the last."""
    samples = [seen(step * interval_ms, left + speed * step * interval_ms / 1000) for step in range(4)]
    time_ms = share * 3 * interval_ms

    there = Box(left + speed * time_ms / 1000, 0.3, 0.1, 0.1)

    assert is_covered(Tracks.of(samples, SETTINGS), time_ms, there)


@pytest.mark.parametrize("away_ms", [-500, -300, 300, 500])
def test_face_is_held_one_interval_around_its_samples(away_ms: int) -> None:
    """A face may have come right after the sample before, and gone right before the one after."""
    tracks = Tracks.of([seen(1000, 0.4), seen(1500, 0.4)], SETTINGS)
    end_ms = 1000 if away_ms < 0 else 1500

    assert is_covered(tracks, end_ms + away_ms, Box(0.4, 0.3, 0.1, 0.1))


def test_hold_ends() -> None:
    """Two intervals after its last sample a face is not blurred any more."""
    tracks = Tracks.of([seen(0, 0.4), seen(500, 0.4)], SETTINGS)

    assert tracks.boxes_at(1500) == []


def test_held_box_grows_with_its_age() -> None:
    """The longer ago a face was seen, the less is known of where it is."""
    tracks = Tracks.of([seen(0, 0.4), seen(500, 0.4)], SETTINGS)

    (young,), (old,) = tracks.boxes_at(600), tracks.boxes_at(1000)

    assert old.width > young.width


def test_missed_sample_is_bridged() -> None:
    """A face that one sample missed was there all the same."""
    tracks = Tracks.of([seen(0, 0.40), seen(500, 0.42), seen(1500, 0.46), seen(2000, 0.48)], SETTINGS)

    assert tracks.count == 1
    assert is_covered(tracks, 1000, Box(0.44, 0.3, 0.1, 0.1))


def test_long_absence_starts_another_track() -> None:
    """Nothing is known of a face over more than two missed samples."""
    found = [seen(time_ms, 0.4) for time_ms in (0, 500, 1000, 5000, 5500, 6000)]

    tracks = Tracks.of(found, SETTINGS)

    assert tracks.count == 2
    assert tracks.boxes_at(3000) == []


def test_neighbours_are_told_apart() -> None:
    """Two faces side by side stay two, each with its nearest successor."""
    found = [seen(time_ms, left) for time_ms in (0, 500, 1000) for left in (0.2, 0.5)]

    assert Tracks.of(found, SETTINGS).count == 2


def test_face_of_another_size_is_another_face() -> None:
    """Someone far behind is not the one who was near half a second ago."""
    assert Tracks.of([seen(0, 0.4, size=0.3), seen(500, 0.5, size=0.1)], SETTINGS).count == 2


def test_crowd_in_one_place_is_no_trap() -> None:
    """3,000 boxes on top of each other take seconds of CPU at most."""
    crowd = [seen(time_ms, 0.4 + index / 1e6) for time_ms in (0, 500) for index in range(1500)]
    begin_s = time.process_time()

    Tracks.of(crowd, SETTINGS)

    assert time.process_time() - begin_s < 20


@settings(deadline=None, max_examples=20)
@given(documents)
def test_wider_margin_never_uncovers(found: list[Detection]) -> None:
    """The margin is what users turn up when in doubt."""
    narrow, wide = Tracks.of(found, SETTINGS), Tracks.of(found, replace(SETTINGS, margin=1.0))

    assert all(
        covers(after, before)
        for detection in found
        for before, after in zip(
            narrow.boxes_at(detection.time_ms), wide.boxes_at(detection.time_ms), strict=True
        )
    )
