"""Association: join detections of the same face to tracklets, from place and size alone."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from blur_container.settings import TrackSettings
from blur_container.timing import MS_PER_S
from chalicelib.contract.faces import Box, Detection

# Enough for any crowd whose faces are not in one place; avoids 9 million pairs of 3,000 faces there.
_CANDIDATES_MAX = 16
# Boxes of no size exist in the contract; distances are counted in face sizes.
_SIZE_MIN = 1e-6


def associate(
    detections: Iterable[Detection], interval_ms: int, settings: TrackSettings
) -> list[tuple[Detection, ...]]:
    """Return tracklets in the order they begin, each detection in exactly one; equal detections count once.

    At each time the closest pairs of an open tracklet and a detection are joined first (greedily). The order
    of `detections` does not matter.
    """
    tracklets: list[list[Detection]] = []
    open_ends: list[_End] = []
    for time_ms, group in groupby(sorted(set(detections), key=_order), key=attrgetter("time_ms")):
        expired_ms = time_ms - settings.open_intervals * interval_ms
        open_ends = [end for end in open_ends if end.tracklet[-1].time_ms >= expired_ms]
        started = _extend(open_ends, list(group), settings)
        open_ends += started
        tracklets += [end.tracklet for end in started]
    return [tuple(tracklet) for tracklet in tracklets]


class _End:
    """The open end of a tracklet: its last box, its speed, and where the face is expected next.

    Places are centres in fractions of the frame; speeds are per millisecond.
    """

    __slots__ = (
        "height",
        "reach",
        "size",
        "speed_x",
        "speed_y",
        "tracklet",
        "went_x",
        "went_y",
        "width",
        "x",
        "y",
    )

    def __init__(self, detection: Detection) -> None:
        self.tracklet = [detection]
        self.speed_x = self.speed_y = self.went_x = self.went_y = self.reach = 0.0
        self._place(detection.box)

    def extend(self, detection: Detection) -> None:
        elapsed_ms = detection.time_ms - self.tracklet[-1].time_ms
        x, y = self.x, self.y
        self.tracklet.append(detection)
        self._place(detection.box)
        self.speed_x, self.speed_y = (self.x - x) / elapsed_ms, (self.y - y) / elapsed_ms

    def expect(self, time_ms: int, settings: TrackSettings) -> None:
        """Set the expected motion until `time_ms`, and how far off the face may be, in face sizes."""
        elapsed_ms = time_ms - self.tracklet[-1].time_ms
        self.went_x, self.went_y = self.speed_x * elapsed_ms, self.speed_y * elapsed_ms
        self.reach = settings.gate_faces + settings.speed_faces_per_s * elapsed_ms / MS_PER_S

    def _place(self, box: Box) -> None:
        self.x, self.y = box.centre
        self.width, self.height, self.size = box.width, box.height, _size(box.width, box.height)


def _extend(open_ends: list[_End], group: list[Detection], settings: TrackSettings) -> list[_End]:
    """Extend tracklets in place by the detections of one time; return the ends of new ones for the rest."""
    taken_ends: set[int] = set()
    taken_detections: set[int] = set()
    for _, end, detection in sorted(_pairs(open_ends, group, settings)):
        if end not in taken_ends and detection not in taken_detections:
            taken_ends.add(end)
            taken_detections.add(detection)
            open_ends[end].extend(group[detection])
    return [_End(detection) for index, detection in enumerate(group) if index not in taken_detections]


def _pairs(
    open_ends: list[_End], group: list[Detection], settings: TrackSettings
) -> Iterator[tuple[float, int, int]]:
    """Yield (cost, index of the end, index of the detection) of the cheapest possible pairs.

    Sort `open_ends` in place from left to right, so that only ends near a detection are compared with it.
    """
    if not open_ends:
        return
    for end in open_ends:
        end.expect(group[0].time_ms, settings)
    open_ends.sort(key=attrgetter("x"))
    centres = [end.x for end in open_ends]
    widest = max(end.width for end in open_ends)
    farthest = max(abs(end.went_x) for end in open_ends)
    reach = max(end.reach for end in open_ends)
    for index, detection in enumerate(group):
        box = detection.box
        x, _ = box.centre
        away = farthest + reach * max((box.width + widest) / 2, _SIZE_MIN)
        near = range(bisect_left(centres, x - away), bisect_right(centres, x + away))
        costs = _costs(open_ends, near, box, settings.size_ratio_max)
        yield from ((cost, end, index) for cost, end in sorted(costs)[:_CANDIDATES_MAX])


def _costs(ends: list[_End], near: range, box: Box, ratio_max: float) -> Iterator[tuple[float, int]]:
    """Yield (cost, index) of the ends in `near` that may be the face in `box`.

    The cost is the distance in face sizes, from the last place or the expected one, plus the growth.
    """
    (x, y), size = box.centre, _size(box.width, box.height)
    for index in near:
        end = ends[index]
        ratio = size / end.size if size > end.size else end.size / size
        if ratio > ratio_max:
            continue
        width = max((box.width + end.width) / 2, _SIZE_MIN)
        height = max((box.height + end.height) / 2, _SIZE_MIN)
        across, down = x - end.x, y - end.y
        # The face may have stopped as well as moved on.
        stayed = math.hypot(across / width, down / height)
        went_on = math.hypot((across - end.went_x) / width, (down - end.went_y) / height)
        distance = min(stayed, went_on)
        if distance <= end.reach:
            yield distance + ratio - 1, index


def _order(detection: Detection) -> tuple[int, float, float, float, float, float]:
    box = detection.box
    return detection.time_ms, box.left, box.top, box.width, box.height, detection.confidence


def _size(width: float, height: float) -> float:
    return max(math.sqrt(width * height), _SIZE_MIN)
