"""Simulate Rekognition's report on a clip with known faces, with jitter and misses."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from benchmarks.leak.ground_truth import Truth
from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription

SOURCE_ID = "0" * 64
_JITTER = 0.02
_CONFIDENCE = 99.0
_MS_PER_S = 1000


@dataclass(frozen=True)
class Sampling:
    """Interval of the simulated detector, its phase, and the share of faces that it misses.

    An `interval_ms` of 0 samples every frame; `phase` shifts all samples by that share of an interval.
    """

    interval_ms: int
    phase: Fraction
    misses: float


@dataclass(frozen=True)
class Sampled:
    """A faces document, and (index of the frame, face) of each of its detections."""

    faces: FacesDocument
    seen: frozenset[tuple[int, int]]


def sample(truth: Truth, sampling: Sampling) -> Sampled:
    """Return the true faces of the sampled frames with jittered edges, some missing.

    The seed depends on the clip and the sampling only: all methods get the same samples.
    """
    random = np.random.default_rng(zlib.crc32(f"{truth.name} {sampling}".encode()))
    detections: list[Detection] = []
    seen: set[tuple[int, int]] = set()
    for index in sampled_frames(truth, sampling):
        for face in truth.frames[index].faces:
            if face.is_detectable and random.random() >= sampling.misses:
                edges = random.normal(0, _JITTER, 4)
                detections.append(Detection(truth.time_ms(index), _moved(face.box, *edges), _CONFIDENCE))
                seen.add((index, face.face))
    return Sampled(FacesDocument(SOURCE_ID, "job", _description(truth), tuple(detections)), frozenset(seen))


def sampled_frames(truth: Truth, sampling: Sampling) -> list[int]:
    """Return the indices of the sampled frames: the last frame of each interval."""
    if sampling.interval_ms == 0:
        return list(range(len(truth.frames)))
    last: dict[int, int] = {}
    for index, frame in enumerate(truth.frames):
        last[math.floor(truth.clock.ms(frame.pts) / sampling.interval_ms - sampling.phase)] = index
    return sorted(last.values())


def _moved(box: Box, *edges: float) -> Box:
    """Return `box` with its left, top, right and bottom edge moved by shares of its size."""
    left, top = box.left + edges[0] * box.width, box.top + edges[1] * box.height
    right, bottom = box.right + edges[2] * box.width, box.bottom + edges[3] * box.height
    return Box(float(left), float(top), float(right - left), float(bottom - top))


def _description(truth: Truth) -> VideoDescription:
    duration_ms = truth.time_ms(len(truth.frames) - 1)
    rate = (len(truth.frames) - 1) * _MS_PER_S / max(1, duration_ms)
    return VideoDescription("h264", duration_ms, rate, truth.size.width, truth.size.height)
