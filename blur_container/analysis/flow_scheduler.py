"""Pursuits: the chases of one stretch of video, each run as soon as all its pictures are there."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from blur_container.analysis.optical_flow import Boxes, median_flow
from blur_container.analysis.proxy_frames import ProxyFrame
from blur_container.geometry import Orientation, Size
from blur_container.tracking.trajectory import LOST, FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box

# Pictures may be up to so far from a detection's time: the decoder leaves some out.
NEAR_MS = 150.0


class FlowScheduler:
    """Chases that wait for their pictures, and the pictures that some of them still need."""

    def __init__(self, requests: Iterable[FlowRequest], orientation: Orientation) -> None:
        self._orientation = orientation
        self._waiting = deque(sorted(requests, key=_last))
        self._needed_ms = deque(_earliest_needed(self._waiting))
        self._moments: deque[ProxyFrame] = deque()

    def see(self, proxy: ProxyFrame) -> Iterator[tuple[FlowRequest, Trajectory]]:
        """Take the next picture; yield the paths of the chases that end before it."""
        yield from self._run(proxy.time_ms - NEAR_MS)
        self._moments.append(proxy)
        while self._moments[0].time_ms < self._needed_ms[0] - NEAR_MS and len(self._moments) > 1:
            self._moments.popleft()

    def finish(self) -> Iterator[tuple[FlowRequest, Trajectory]]:
        """Yield the paths of all other chases: no picture follows."""
        yield from self._run(math.inf)

    def _run(self, until_ms: float) -> Iterator[tuple[FlowRequest, Trajectory]]:
        together: defaultdict[tuple[float, float], list[FlowRequest]] = defaultdict(list)
        while self._waiting and self._waiting[0].end_ms < until_ms:
            request = self._waiting.popleft()
            self._needed_ms.popleft()
            together[request.start.time_ms, request.until_ms].append(request)
        for requests in together.values():
            yield from zip(requests, self._paths(requests), strict=True)

    def _paths(self, requests: Sequence[FlowRequest]) -> list[Trajectory]:
        """Return the paths of chases from one moment to another."""
        route = _route(self._moments, requests[0])
        if len(route) < 2:  # noqa: PLR2004 a way has two ends
            return [LOST] * len(requests)
        height, width = route[0].picture.shape
        view = _View(self._orientation, Size(width, height))
        step_ms = route[1].time_ms - route[0].time_ms
        found = median_flow(
            [proxy.picture for proxy in route],
            view.boxes(requests),
            view.speeds(requests) * np.float32(step_ms),
        )
        tracked_boxes: list[list[TrackedBox]] = [[] for _ in requests]
        for proxy, boxes in zip(route[1:], found, strict=True):
            for face in np.flatnonzero(~np.isnan(boxes[:, 0])):
                tracked_boxes[face].append(TrackedBox(proxy.time_ms, view.displayed(boxes[face])))
        return [Trajectory(tuple(ones)) for ones in tracked_boxes]


class _View:
    """Boxes in fractions of the displayed frame as pixels of a reduced picture, and back."""

    def __init__(self, orientation: Orientation, size: Size) -> None:
        self._orientation, self._size = orientation, size
        self._scale = np.array([size.width, size.height] * 2, np.float32)

    def boxes(self, requests: Sequence[FlowRequest]) -> Boxes:
        coded = [self._orientation.to_coded(request.start.box) for request in requests]
        return (
            np.array([(box.left, box.top, box.right, box.bottom) for box in coded], np.float32) * self._scale
        )

    def speeds(self, requests: Sequence[FlowRequest]) -> NDArray[np.float32]:
        """Return float32 (chases, 2): pixels a millisecond."""
        speeds = [request.speed or (0.0, 0.0) for request in requests]
        ends = [self._orientation.to_coded(Box(0.5 + across, 0.5 + down, 0, 0)) for across, down in speeds]
        return np.array([(end.left - 0.5, end.top - 0.5) for end in ends], np.float32) * self._scale[:2]

    def displayed(self, box: NDArray[np.float32]) -> Box:
        left, top, right, bottom = (box / self._scale).tolist()
        return self._orientation.to_displayed(Box(left, top, right - left, bottom - top))


def _route(proxies: Sequence[ProxyFrame], request: FlowRequest) -> list[ProxyFrame]:
    """Return the moments from that of a detection to the end of its chase; none where it was not seen."""
    start_ms, until_ms = request.start.time_ms, request.until_ms
    # Others may still be there for other chases.
    begin_ms, end_ms = request.begin_ms - NEAR_MS, request.end_ms + NEAR_MS
    proxies = [proxy for proxy in proxies if begin_ms <= proxy.time_ms <= end_ms]
    nearest = min(proxies, key=lambda proxy: abs(proxy.time_ms - start_ms), default=None)
    if nearest is None or abs(nearest.time_ms - start_ms) > NEAR_MS:
        return []
    goal = min(proxies, key=lambda proxy: abs(proxy.time_ms - until_ms))
    if request.leads_back:
        return [proxy for proxy in proxies if goal.time_ms <= proxy.time_ms <= nearest.time_ms][::-1]
    return [proxy for proxy in proxies if nearest.time_ms <= proxy.time_ms <= goal.time_ms]


def _earliest_needed(requests: Sequence[FlowRequest]) -> Iterator[float]:
    """Yield the first moment that each chase or any later one needs; at last, none."""
    earliest = [math.inf]
    for request in reversed(requests):
        earliest.append(min(earliest[-1], request.begin_ms))
    return reversed(earliest)


def _last(request: FlowRequest) -> tuple[float, float]:
    return request.end_ms, request.begin_ms
