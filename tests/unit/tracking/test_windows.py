"""Windows: the masks of a section need only detections near it, and are the same to the last digit."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.timing import Section
from blur_container.tracking.observations import GLITCH_MAX_MS, Cut, Glitch, Observations, without_glitches
from blur_container.tracking.review import ReviewFlag, ReviewReason, edges_of, in_order, review_flags_of
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.trajectory import FlowRequest, TrackedBox, Trajectory
from blur_container.tracking.windows import Windows
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
LENGTH_MS = 40_000
STEP_MS = 40


@dataclass(frozen=True)
class Film:
    """A long scene: faces that move, cross, rest and are missed; each request always has one trajectory."""

    seed: int
    settings: TrackSettings = SETTINGS

    def graph(self) -> TrackletGraph:
        """Return the tracklet graph of the whole."""
        return TrackletGraph.of(wanderers(chances(self.seed)), self.settings)

    def cuts(self) -> list[Cut]:
        """Return a few cuts."""
        chance = chances(self.seed + 1)
        times = sorted({chance.randrange(0, LENGTH_MS, STEP_MS) for _ in range(chance.randrange(8))})
        return [Cut(time_ms, time_ms + STEP_MS) for time_ms in times]

    def glitches(self) -> list[Glitch]:
        """Return a few glitches, some of which overlap."""
        chance = chances(self.seed + 2)
        times = [chance.randrange(0, LENGTH_MS, STEP_MS) for _ in range(chance.randrange(6))]
        return [
            Glitch(time_ms, time_ms + chance.randrange(STEP_MS, GLITCH_MAX_MS, STEP_MS)) for time_ms in times
        ]

    def tracks(self, graph: TrackletGraph) -> Tracks:
        """Return the tracks of the graph or of a window of it."""
        trajectories = [(request, self.trajectory(request)) for request in graph.requests()]
        return Tracks([graph], Observations(trajectories, *without_glitches(self.cuts(), self.glitches())))

    def trajectory(self, request: FlowRequest) -> Trajectory:
        """Return the trajectory of a request: to its goal, elsewhere, or lost; the same in every window."""
        chance = chances(self.seed, request)
        length_ms = chance.choice((0.0, 0.3, 1.0, 1.0, 1.0)) * (request.end_ms - request.begin_ms)
        sign = -1 if request.leads_back else 1
        across, down = request.speed or (chance.uniform(-2e-4, 2e-4), 0.0)
        drift = chance.choice((0.0, 0.0, 0.0, chance.uniform(-2e-4, 2e-4)))
        here, tracked_boxes = request.start.box, []
        for gone_ms in range(STEP_MS, int(length_ms) + 1, STEP_MS):
            left = here.left + (across + drift) * sign * gone_ms
            box = Box(left, here.top + down * sign * gone_ms, here.width, here.height)
            tracked_boxes.append(TrackedBox(float(request.start.time_ms + sign * gone_ms), box))
        return Trajectory(tuple(tracked_boxes))


def chances(*facts: object) -> random.Random:
    """Return the same sequence of numbers for the same facts."""
    return random.Random(repr(facts))  # noqa: S311 nothing is kept secret by it


def wanderers(chance: random.Random) -> list[Detection]:
    """Return the detections of a handful of faces, sampled every half second with gaps and crossings."""
    found = []
    for _ in range(chance.randrange(1, 9)):
        left, top, size = chance.uniform(0, 0.9), chance.uniform(0.3, 0.5), chance.uniform(0.05, 0.2)
        speed = chance.choice((0.0, chance.uniform(-0.1, 0.1), chance.uniform(-0.4, 0.4)))
        begin_ms = chance.randrange(0, LENGTH_MS, 500)
        for time_ms in range(begin_ms, min(begin_ms + chance.randrange(500, 25_000), LENGTH_MS), 500):
            left += speed / 2 + chance.gauss(0, 0.01)
            speed = -speed if not -0.1 < left < 1 else speed
            if chance.random() > 0.2:
                box = Box(left, top + chance.gauss(0, 0.01), size, size)
                found.append(Detection(time_ms, box, chance.uniform(20, 99)))
    return found


def masks(tracks: Tracks, time_ms: float) -> list[tuple[Box, Detection]]:
    """Return the boxes and names at a moment, in an order of their own."""
    return sorted(((t.box_at(time_ms), t.name_at(time_ms)) for t in tracks.at(time_ms)), key=repr)


def differing(film: Film, section: Section) -> list[float]:
    """Return the moments of a section whose masks in its window are not those of the whole."""
    graph = film.graph()
    whole, window = film.tracks(graph), film.tracks(Windows(graph).of(section))
    times = range(int(section.start_ms), int(section.end_ms), STEP_MS)
    return [time_ms for time_ms in times if masks(whole, time_ms) != masks(window, time_ms)]


def parts(graph: TrackletGraph, length_ms: int) -> list[TrackletGraph]:
    """Return the windows of a graph, one for each part of its time."""
    windows = Windows(graph)
    starts = range(0, LENGTH_MS + 5000, length_ms)
    return [windows.of(Section(start_ms, start_ms + length_ms)) for start_ms in starts]


def seen(time_ms: int, left: float = 0.4) -> Detection:
    """Return a detection."""
    return Detection(time_ms, Box(left, 0.4, 0.1, 0.1), 99.0)


films = st.builds(Film, st.integers(0, 1_000_000))
sections = st.tuples(st.integers(0, LENGTH_MS), st.integers(STEP_MS, 12_000)).map(
    lambda part: Section(part[0], sum(part))
)


def test_window_of_nothing_is_empty() -> None:
    """No detection, no tracklet."""
    window = Windows(TrackletGraph.of([], SETTINGS)).of(Section(0, 1000))

    assert (window.tracklets, window.names, window.gap_links) == ((), (), ())


def test_window_keeps_the_interval_and_the_names_of_the_whole() -> None:
    """Its own detections alone would give another interval."""
    every = [seen(time_ms) for time_ms in range(0, 60_000, 200)]

    window = Windows(TrackletGraph.of(every, SETTINGS)).of(Section(30_000, 30_200))

    assert window.interval_ms == 200
    assert window.names == (every[0],)
    assert 0 < len(window.tracklets[0]) < 90


def test_cut_chain_is_not_chased_out_of_its_window() -> None:
    """The tracklet goes on beyond the window."""
    every = [seen(time_ms) for time_ms in range(0, 60_000, 200)]
    window = Windows(TrackletGraph.of(every, SETTINGS)).of(Section(30_000, 31_000))

    requests = list(window.requests())

    assert min(request.begin_ms for request in requests) >= window.searched.start_ms
    assert max(request.end_ms for request in requests) <= window.searched.end_ms


@settings(max_examples=150, deadline=None)
@given(films, sections)
def test_masks_of_a_window_are_those_of_the_whole(film: Film, section: Section) -> None:
    """Boxes and names, to the last digit."""
    assert differing(film, section) == []


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hold", [1.0, 4.0, 10.0])
def test_masks_are_the_same_with_long_holds(seed: int, hold: float) -> None:
    """The searched section of a window is as much wider."""
    film = Film(seed, TrackSettings(hold_intervals=hold))

    assert differing(film, Section(9000 + seed * 1000, 13_000 + seed * 1500)) == []


@settings(max_examples=20, deadline=None)
@given(films, st.sampled_from([3000, 7000, 20_000]))
def test_sums_over_windows_are_those_of_the_whole(film: Film, length_ms: int) -> None:
    """Each review flag, each beginning and each end of a track belongs to one section."""
    graph = film.graph()
    whole = film.tracks(graph)
    windows = [(film.tracks(window), window.section) for window in parts(graph, length_ms)]

    flags = in_order(flag for one, part in windows for flag in review_flags_of(one, LENGTH_MS, part))

    assert certain(flags) == certain(review_flags_of(whole, LENGTH_MS))
    assert sum(one.begun_in(part) for one, part in windows) == whole.count
    assert ends(windows) == ends([(whole, Section(-1.0, LENGTH_MS))])


def certain(flags: list[ReviewFlag]) -> list[ReviewFlag]:
    """Return the review flags that do not depend on a face's best detection, far away."""
    return [flag for flag in flags if flag.kind is not ReviewReason.LOW_CONFIDENCE]


def ends(windows: list[tuple[Tracks, Section]]) -> list[int]:
    """Return the counts of all kinds of beginnings and ends, summed."""
    counts = [
        [count for kinds in edges_of(tracks, part).values() for count in kinds.values()]
        for tracks, part in windows
    ]
    return [sum(ones) for ones in zip(*counts, strict=True)]
