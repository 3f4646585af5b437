"""Metrics: how much of every true face a method covers, and how much it covers beside faces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from benchmarks.leak.ground_truth import TrueFrame, Truth, appearances
from blur_container.geometry import Size
from chalicelib.contract.faces import Box

# uint8 (height, width) of a frame, 1 where a method covers it.
Canvas = NDArray[np.uint8]
HALF, NEARLY_ALL = 0.5, 0.95


@dataclass(frozen=True)
class Exposure:
    """One appearance: whether a sample saw it, and the covered share of the face in each frame."""

    seen: bool
    covered: tuple[float, ...]

    def uncovered_frames(self, least: float) -> int:
        """Return the number of frames in which less than `least` of the face is covered."""
        return sum(share < least for share in self.covered)

    @property
    def longest_run(self) -> int:
        """Return the most consecutive frames with less than half of the face covered."""
        return max(
            (len(list(run)) for below, run in groupby(self.covered, key=lambda c: c < HALF) if below),
            default=0,
        )


@dataclass(frozen=True)
class Blurred:
    """Pixels of one clip, summed over its frames: covered outside faces, and inside the boxes of faces."""

    outside_px: int
    face_px: int


@dataclass(frozen=True)
class Score:
    """Figures of one method: shares of 1, a number of frames, and over-blur as a ratio of areas."""

    leak_95: float
    leak_50: float
    seen_leak_95: float
    seen_leak_50: float
    longest_run: int
    uncovered_appearances: float
    over_blur: float


def score(exposures: Sequence[Exposure], blurred: Sequence[Blurred]) -> Score:
    """Return the figures of all appearances and clips together; without any face all are 0."""
    seen = [exposure for exposure in exposures if exposure.seen]
    faces_px = sum(clip.face_px for clip in blurred)
    return Score(
        leak_95=leak(exposures, NEARLY_ALL),
        leak_50=leak(exposures, HALF),
        seen_leak_95=leak(seen, NEARLY_ALL),
        seen_leak_50=leak(seen, HALF),
        longest_run=max((exposure.longest_run for exposure in exposures), default=0),
        uncovered_appearances=_share(sum(e.uncovered_frames(HALF) > 0 for e in exposures), len(exposures)),
        over_blur=_share(sum(clip.outside_px for clip in blurred), faces_px),
    )


def leak(exposures: Iterable[Exposure], least: float) -> float:
    """Return the share of face-frames with less than `least` of the face covered."""
    counted = list(exposures)
    uncovered = sum(exposure.uncovered_frames(least) for exposure in counted)
    return _share(uncovered, sum(len(exposure.covered) for exposure in counted))


def exposures_of(
    truth: Truth, covered: Sequence[dict[int, float]], seen: frozenset[tuple[int, int]]
) -> list[Exposure]:
    """Return the appearances of a clip; `covered` has the covered share of each face, frame by frame."""
    return [
        Exposure(
            seen=any((index, one.face) in seen for index in range(one.begin, one.end)),
            covered=tuple(covered[index][one.face] for index in range(one.begin, one.end)),
        )
        for one in appearances(truth)
    ]


def covered_faces(canvas: Canvas, frame: TrueFrame) -> dict[int, float]:
    """Return the covered share of every face that counts."""
    return {seen.face: covered_share(canvas, seen.box) for seen in frame.faces if seen.counts}


def covered_share(canvas: Canvas, box: Box) -> float:
    """Return the covered share of the part of `box` inside the frame; 1 where no part is inside.

    A pixel on an edge of the box counts by the part of the pixel inside the box.
    """
    height, width = canvas.shape
    rows, down = _weights(box.top, box.bottom, height)
    columns, across = _weights(box.left, box.right, width)
    area = down.sum() * across.sum()
    if area <= 0:
        return 1.0
    return float(down @ canvas[rows, columns] @ across / area)


def blurred_in(canvas: Canvas, frame: TrueFrame) -> Blurred:
    """Return the areas of one frame; faces that do not count are included."""
    size = Size(canvas.shape[1], canvas.shape[0])
    faces = np.zeros_like(canvas)
    for seen in frame.faces:
        rows, columns = _pixels(seen.box, size)
        faces[rows, columns] = 1
    inside_px = int(np.count_nonzero(canvas & faces))
    return Blurred(int(np.count_nonzero(canvas)) - inside_px, int(np.count_nonzero(faces)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _weights(begin: float, end: float, length: int) -> tuple[slice, NDArray[np.float64]]:
    """Return the pixels between two fractions of `length`, and how much of each is between them."""
    low, high = max(0.0, begin * length), min(float(length), end * length)
    first, last = math.floor(low), max(math.floor(low), math.ceil(high))
    edges = np.arange(first, last + 1, dtype=np.float64).clip(low, max(low, high))
    return slice(first, last), np.diff(edges)


def _pixels(box: Box, size: Size) -> tuple[slice, slice]:
    return (
        slice(max(0, round(box.top * size.height)), max(0, round(box.bottom * size.height))),
        slice(max(0, round(box.left * size.width)), max(0, round(box.right * size.width))),
    )
