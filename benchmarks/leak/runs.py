"""Run all methods on one clip under one sampling, in every phase of its interval."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.leak.ground_truth import Truth
from benchmarks.leak.methods import METHODS, Case, Method
from benchmarks.leak.metrics import Blurred, Exposure, blurred_in, covered_faces, exposures_of
from benchmarks.leak.sampling import Sampled, Sampling, sample

_PHASES = (Fraction(0), Fraction(1, 2))
_MS_PER_S = 1000


@dataclass(frozen=True)
class Subject:
    """A clip with known faces, and the folder for the detector's output."""

    source: Path
    truth: Truth
    cache: Path


@dataclass(frozen=True)
class Outcome:
    """Result of one method on one clip at one phase; `cost_ms` is the time for all frames."""

    method: str
    clip: str
    kind: str
    exposures: tuple[Exposure, ...]
    blurred: Blurred
    frames: int
    cost_ms: float


def run(subject: Subject, interval_ms: int, misses: float, methods: Sequence[str]) -> list[Outcome]:
    """Return the outcomes of all `methods` on one clip; an interval of 0, every frame, has one phase."""
    outcomes: list[Outcome] = []
    for phase in _PHASES if interval_ms else _PHASES[:1]:
        sampled = sample(subject.truth, Sampling(interval_ms, phase, misses))
        outcomes += [_run_method(subject, sampled, name, METHODS[name]) for name in methods]
    return outcomes


def _run_method(subject: Subject, sampled: Sampled, name: str, method: Method) -> Outcome:
    truth = subject.truth
    case = Case(subject.source, truth, sampled.faces, subject.cache)
    begin_s = time.monotonic()
    shapes_at = method.prepare(case)
    spent_s = time.monotonic() - begin_s
    canvas = np.zeros((truth.size.height, truth.size.width), np.uint8)
    covered: list[dict[int, float]] = []
    outside_px = face_px = 0
    for index, frame in enumerate(truth.frames):
        begin_s = time.monotonic()
        shapes = list(shapes_at(index))
        spent_s += time.monotonic() - begin_s
        canvas[:] = 0
        for shape in shapes:
            shape.cover(canvas)
        covered.append(covered_faces(canvas, frame))
        areas = blurred_in(canvas, frame)
        outside_px, face_px = outside_px + areas.outside_px, face_px + areas.face_px
    detector_ms = method.detector_share * case.detector_output.ms_per_frame if method.detector_share else 0.0
    return Outcome(
        name,
        truth.name,
        truth.kind,
        tuple(exposures_of(truth, covered, sampled.seen)),
        Blurred(outside_px, face_px),
        len(truth.frames),
        spent_s * _MS_PER_S + detector_ms * len(truth.frames),
    )
