"""The leak benchmark measures what it says: coverage, samples, and the truth of its own clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.leak.ground_truth import Appearance, TrueFace, TrueFrame, Truth, appearances
from benchmarks.leak.metrics import (
    Blurred,
    Canvas,
    Exposure,
    blurred_in,
    covered_share,
    exposures_of,
    leak,
    score,
)
from benchmarks.leak.real_videos import faces_between
from benchmarks.leak.sampling import Sampling, sample, sampled_frames
from benchmarks.leak.scenes import Actor, Bar, Clip, Place, Shot
from benchmarks.leak.synthesis import clip_path, make_clip
from blur_container.analysis.face_detector import FaceDetector
from blur_container.geometry import Size
from chalicelib.contract.faces import Box, Detection

MIDDLE = Box(0.25, 0.25, 0.5, 0.5)
TWICE_A_SECOND = Sampling(500, Fraction(0), misses=0.0)
SHIFTED = Sampling(500, Fraction(1, 2), misses=0.0)


def canvas(width: int = 100, height: int = 100) -> Canvas:
    """Return a frame of which nothing is covered."""
    return np.zeros((height, width), np.uint8)


def truth(frames: int, *faces: TrueFace) -> Truth:
    """Return a clip of 30 frames/s with the same faces in every frame."""
    return Truth(
        "clip", "kind", Size(100, 100), Fraction(1, 30), tuple(TrueFrame(n, faces) for n in range(frames))
    )


def test_no_face_leaks_nothing() -> None:
    """An empty clip has no leak, no run and no over-blur, and divides by no zero."""
    figures = score([], [Blurred(0, 0)])

    assert (figures.leak_50, figures.leak_95, figures.longest_run, figures.over_blur) == (0, 0, 0, 0)


def test_full_cover_is_no_leak() -> None:
    """A frame that is covered all over shows no face."""
    covered = covered_share(canvas() + np.uint8(1), MIDDLE)

    assert covered == pytest.approx(1)
    assert leak([Exposure(seen=True, covered=(covered,))], 0.95) == 0


def test_half_cover_leaks_at_95_percent_only() -> None:
    """The left half of a face under a mask is half of the face, and half is enough for one figure."""
    half = canvas()
    half[:, :50] = 1

    covered = covered_share(half, MIDDLE)

    assert covered == pytest.approx(0.5)
    assert leak([Exposure(seen=True, covered=(covered,))], 0.5) == 0
    assert leak([Exposure(seen=True, covered=(covered,))], 0.95) == 1


def test_pixels_on_the_edge_count_in_part() -> None:
    """Three columns of a face that is three and a half wide are six sevenths of it."""
    covered = canvas()
    covered[:, 10:13] = 1

    assert covered_share(covered, Box(0.10, 0.2, 0.035, 0.2)) == pytest.approx(6 / 7)


def test_only_the_part_inside_the_frame_counts() -> None:
    """A face that is half outside is covered when its visible half is."""
    covered = canvas()
    covered[:, :10] = 1

    assert covered_share(covered, Box(-0.1, 0.2, 0.2, 0.2)) == pytest.approx(1)


def test_over_blur_is_what_no_face_owns() -> None:
    """Faces that do not count are faces all the same: covering them is no over-blur."""
    covered = canvas()
    covered[:50] = 1
    faces = (TrueFace(1, Box(0, 0, 0.5, 0.5)), TrueFace(2, Box(0.5, 0, 0.25, 0.5), hidden=0.9))

    areas = blurred_in(covered, TrueFrame(0, faces))

    assert areas == Blurred(outside_px=1250, face_px=3750)
    assert score([], [areas]).over_blur == pytest.approx(1 / 3)


def test_longest_run_ends_where_the_face_is_covered() -> None:
    """One covered frame separates two uncovered runs."""
    exposure = Exposure(seen=True, covered=(0.0, 0.4, 0.6, 0.0, 0.1, 0.2, 1.0))

    assert exposure.longest_run == 3
    assert exposure.uncovered_frames(0.5) == 5


def test_unseen_appearances_count_in_all_only() -> None:
    """An appearance that no sample saw counts in the leak over all faces only."""
    exposures = [Exposure(seen=True, covered=(1.0, 1.0)), Exposure(seen=False, covered=(0.0, 0.0))]

    figures = score(exposures, [])

    assert (figures.leak_50, figures.seen_leak_50, figures.uncovered_appearances) == (0.5, 0, 0.5)


def test_hidden_frames_part_appearances() -> None:
    """A face behind a bar is another appearance before and after it, and none between."""
    here, behind = TrueFace(7, MIDDLE), TrueFace(7, MIDDLE, hidden=0.6)
    frames = tuple(TrueFrame(n, (behind if n in (2, 3) else here,)) for n in range(6))

    found = appearances(Truth("clip", "kind", Size(100, 100), Fraction(1, 30), frames))

    assert found == [Appearance(7, 0, 2), Appearance(7, 4, 6)]


def test_an_appearance_is_seen_by_a_sample_within_it() -> None:
    """A sample of the same face at another time is another appearance's."""
    clip = truth(4, TrueFace(1, MIDDLE))

    exposures = exposures_of(clip, [{1: 0.5}] * 4, frozenset({(3, 1)}))

    assert exposures == [Exposure(seen=True, covered=(0.5,) * 4)]


@pytest.mark.parametrize(
    ("left", "counts", "detectable"), [(-0.2, True, True), (-0.3, True, False), (-0.4, False, False)]
)
def test_faces_leave_by_degrees(left: float, counts: bool, detectable: bool) -> None:  # noqa: FBT001 a table
    """Half inside is detectable, a quarter inside counts."""
    face = TrueFace(1, Box(left, 0.2, 0.48, 0.4))

    assert (face.counts, face.is_detectable) == (counts, detectable)


def test_samples_are_the_last_frames_of_their_intervals() -> None:
    """At 30 frames/s frame 14 ends the first half second; the clip's last frame is a sample too."""
    assert sampled_frames(truth(40), TWICE_A_SECOND) == [14, 29, 39]


def test_the_other_phase_lies_half_an_interval_apart() -> None:
    """Shifted intervals begin at a quarter of a second."""
    assert sampled_frames(truth(40), SHIFTED) == [7, 22, 37, 39]


def test_every_frame_is_looked_at_without_an_interval() -> None:
    """An interval of 0 is a detector on every frame."""
    assert sampled_frames(truth(3), Sampling(0, Fraction(0), misses=0.0)) == [0, 1, 2]


def test_samples_are_the_same_every_time() -> None:
    """Jitter and misses come from a seed that the request decides."""
    clip, sampling = truth(300, TrueFace(1, MIDDLE)), Sampling(0, Fraction(0), misses=0.1)

    first, second = sample(clip, sampling), sample(clip, sampling)

    assert first == second
    assert 240 <= len(first.seen) <= 290


def test_jitter_is_two_percent_of_the_face() -> None:
    """Each edge of a sampled box has its own error of 2 % of the face."""
    found = sample(truth(1000, TrueFace(1, MIDDLE)), Sampling(0, Fraction(0), misses=0.0))

    edges = np.array([(face.box.left, face.box.bottom) for face in found.faces.detections])

    assert edges.mean(axis=0) == pytest.approx([0.25, 0.75], abs=0.002)
    assert edges.std(axis=0) == pytest.approx([0.01, 0.01], rel=0.1)


def test_blinks_of_the_detector_are_filled_in_pseudo_truth() -> None:
    """A face found 300 ms apart was there between, on a straight line; 400 ms apart it was not."""
    seen = [Detection(ms, Box(left, 0.2, 0.2, 0.2), 99) for ms, left in ((0, 0.1), (300, 0.2), (700, 0.2))]

    faces = faces_between(seen, list(range(0, 800, 100)))

    assert [len(faces[ms]) for ms in range(0, 800, 100)] == [1, 1, 1, 1, 0, 0, 0, 1]
    assert faces[100][0].box.left == pytest.approx(0.1 + 0.1 / 3)


def test_faces_are_where_the_truth_says(tmp_path: Path) -> None:
    """The detector finds the drawn head in the encoded frame, with the box of the truth."""
    keyframes = (Place(0, 300, 300, 140, roll=20), Place(0.2, 700, 350, 120))
    clip = Clip("walk", "kind", (Shot(0.2, "brick", (Actor(0, keyframes),)),))

    (face,) = make_clip(tmp_path, clip).frames[3].faces

    with av.open(str(clip_path(tmp_path, clip))) as container:
        picture = list(container.decode(video=0))[3].to_ndarray(format="rgb24")
    (found,) = FaceDetector().detect(picture)
    assert found.box.left == pytest.approx(face.box.left, abs=0.01)
    assert found.box.right == pytest.approx(face.box.right, abs=0.01)
    assert found.box.top == pytest.approx(face.box.top, abs=0.02)
    assert found.box.bottom == pytest.approx(face.box.bottom, abs=0.02)


def test_bars_hide_what_is_behind(tmp_path: Path) -> None:
    """A bar before the left half of a face hides half of it; one behind it hides nothing."""
    head = Actor(0, (Place(0, 640, 360),))
    bar = Bar((Place(0, 590, 0),), 100)
    shots = (Shot(0.1, "brick", (head, bar)), Shot(0.1, "brick", (bar, head)))

    frames = make_clip(tmp_path, Clip("bars", "kind", shots)).frames

    assert frames[0].faces[0].hidden == pytest.approx(0.5, abs=0.02)
    assert frames[-1].faces[0].hidden == 0
    assert frames[0].faces[0].face != frames[-1].faces[0].face
