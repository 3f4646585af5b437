"""Flow scheduler: run each flow request of a stretch of video as soon as all its frames are decoded."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from blur_container.analysis.optical_flow import Boxes, median_flow
from blur_container.analysis.proxy_frames import ProxyFrame
from blur_container.geometry import Orientation, Size
from blur_container.tracking.trajectory import LOST, FlowRequest, TrackedBox, Trajectory
from chalicelib.contract.faces import Box

# The nearest decoded frame may be so far from a detection's time, because the decoder skips some.
NEAR_MS = 150.0


class FlowScheduler:
    """Queues flow requests until their frames are decoded, and keeps only frames that are still needed."""

    def __init__(self, requests: Iterable[FlowRequest], orientation: Orientation) -> None:
        self._orientation = orientation
        self._waiting = deque(sorted(requests, key=lambda request: (request.end_ms, request.begin_ms)))
        # The earliest time that each request or any later one needs; at the end, none.
        begins_ms = (request.begin_ms for request in reversed(self._waiting))
        earliest = accumulate(begins_ms, min, initial=math.inf)
        self._needed_ms = deque(reversed(list(earliest)))
        self._proxies: deque[ProxyFrame] = deque()

    def see(self, proxy: ProxyFrame) -> Iterator[tuple[FlowRequest, Trajectory]]:
        """Take the next frame; yield the requests that end before it with their trajectories."""
        yield from self._run(proxy.time_ms - NEAR_MS)
        self._proxies.append(proxy)
        while self._proxies[0].time_ms < self._needed_ms[0] - NEAR_MS and len(self._proxies) > 1:
            self._proxies.popleft()

    def finish(self) -> Iterator[tuple[FlowRequest, Trajectory]]:
        """Yield all other requests with their trajectories, after the last frame."""
        yield from self._run(math.inf)

    def _run(self, until_ms: float) -> Iterator[tuple[FlowRequest, Trajectory]]:
        together: defaultdict[tuple[float, float], list[FlowRequest]] = defaultdict(list)
        while self._waiting and self._waiting[0].end_ms < until_ms:
            request = self._waiting.popleft()
            self._needed_ms.popleft()
            together[request.start.time_ms, request.until_ms].append(request)
        for requests in together.values():
            yield from zip(requests, self._trajectories(requests), strict=True)

    def _trajectories(self, requests: Sequence[FlowRequest]) -> list[Trajectory]:
        """Return the trajectories of requests that share their start and end times."""
        route = _route(self._proxies, requests[0])
        if len(route) < 2:  # noqa: PLR2004 a trajectory has two ends
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
    """Converts boxes in fractions of the displayed frame to pixels of a proxy frame, and back."""

    def __init__(self, orientation: Orientation, size: Size) -> None:
        self._orientation, self._size = orientation, size
        self._scale = np.array([size.width, size.height] * 2, np.float32)

    def boxes(self, requests: Sequence[FlowRequest]) -> Boxes:
        coded = [self._orientation.to_coded(request.start.box) for request in requests]
        return (
            np.array([(box.left, box.top, box.right, box.bottom) for box in coded], np.float32) * self._scale
        )

    def speeds(self, requests: Sequence[FlowRequest]) -> NDArray[np.float32]:
        """Return float32 (requests, 2): pixels per millisecond."""
        speeds = [request.speed or (0.0, 0.0) for request in requests]
        ends = [self._orientation.to_coded(Box(0.5 + across, 0.5 + down, 0, 0)) for across, down in speeds]
        return np.array([(end.left - 0.5, end.top - 0.5) for end in ends], np.float32) * self._scale[:2]

    def displayed(self, box: NDArray[np.float32]) -> Box:
        left, top, right, bottom = (box / self._scale).tolist()
        return self._orientation.to_displayed(Box(left, top, right - left, bottom - top))


def _route(proxies: Sequence[ProxyFrame], request: FlowRequest) -> list[ProxyFrame]:
    """Return the frames from the detection to the end of its request; none if no frame is near the start."""
    start_ms, until_ms = request.start.time_ms, request.until_ms
    # Other frames may still be kept for other requests.
    begin_ms, end_ms = request.begin_ms - NEAR_MS, request.end_ms + NEAR_MS
    proxies = [proxy for proxy in proxies if begin_ms <= proxy.time_ms <= end_ms]
    nearest = min(proxies, key=lambda proxy: abs(proxy.time_ms - start_ms), default=None)
    if nearest is None or abs(nearest.time_ms - start_ms) > NEAR_MS:
        return []
    goal = min(proxies, key=lambda proxy: abs(proxy.time_ms - until_ms))
    if request.leads_back:
        return [proxy for proxy in proxies if goal.time_ms <= proxy.time_ms <= nearest.time_ms][::-1]
    return [proxy for proxy in proxies if nearest.time_ms <= proxy.time_ms <= goal.time_ms]
