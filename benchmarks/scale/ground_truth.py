"""True faces of the scale benchmark's clip: two heads in part of a minute that repeats.

Import nothing heavy here: on Linux a child's peak memory starts at its parent's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription

WIDTH, HEIGHT = 1280, 720
LOOP_S = 60
_SAMPLING_MS = 500
_MS_PER_S = 1000
# One head crosses the frame, the other enters, rests and leaves: (second of the minute, left edge).
_CROSSING = ((6.0, -0.1), (30.0, 1.0))
_ENTERING = ((20.0, 1.0), (24.0, 0.62), (40.0, 0.6), (44.0, 1.0))
_HEADS = ((_CROSSING, 0.25, 0.1, 0.2), (_ENTERING, 0.5, 0.12, 0.22))


def boxes_at(time_s: float) -> list[Box]:
    """Return the boxes of the heads that are in the scene at `time_s`."""
    moment = time_s % LOOP_S
    return [
        Box(_left(keyframes, moment), top, width, height)
        for keyframes, top, width, height in _HEADS
        if keyframes[0][0] <= moment <= keyframes[-1][0]
    ]


def faces_document(source_id: str, seconds: int, frame_rate: int) -> FacesDocument:
    """Return the faces of a perfect detector: two samples a second, every head at least half inside."""
    described = VideoDescription("h264", seconds * _MS_PER_S, float(frame_rate), WIDTH, HEIGHT)
    seen = [
        Detection(time_ms, box, 99.0)
        for time_ms in range(0, seconds * _MS_PER_S, _SAMPLING_MS)
        for box in boxes_at(time_ms / _MS_PER_S)
        if -box.width / 2 <= box.left <= 1 - box.width / 2
    ]
    return FacesDocument(source_id, "job", described, tuple(seen))


def _left(keyframes: Sequence[tuple[float, float]], moment: float) -> float:
    stretches = list(pairwise(keyframes))
    number = min(bisect_right([begin[0] for begin, _ in stretches], moment) - 1, len(stretches) - 1)
    (begin_s, begin), (end_s, end) = stretches[number]
    return begin + (end - begin) * (moment - begin_s) / (end_s - begin_s)
