"""Decoded frames on their way: read ahead in a thread, brought to 4:2:0, seen as editable arrays."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from queue import Empty, Queue
from typing import TypeVar

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from blur_container.blur import Plane
from chalicelib.contract.errors import UnsupportedVideo

_PLANAR_420 = ("yuv420p", "yuvj420p")
_WAKE_S = 0.05
_FULL_RANGE = 2

EntryT = TypeVar("EntryT")


def read_ahead(source: Generator[EntryT, None, None], depth: int) -> Generator[EntryT, None, None]:
    """Yield what `source` yields, produced up to `depth` ahead in a thread of its own.

    An error of `source` surfaces here as itself. Closing this generator ends the thread.
    """
    queue: Queue[EntryT | _End] = Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_pump, args=(source, queue, stopped), name="reader")
    thread.start()
    try:
        while not isinstance(entry := queue.get(), _End):
            yield entry
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        _drain(queue, thread)


class _End:
    """The last entry of a queue: why nothing follows."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _pump(
    source: Generator[EntryT, None, None], queue: Queue[EntryT | _End], stopped: threading.Event
) -> None:
    try:
        with closing(source):
            for entry in source:
                queue.put(entry)
                if stopped.is_set():
                    break
    except BaseException as error:  # noqa: BLE001 handed over: the reading side raises it
        queue.put(_End(error))
    else:
        queue.put(_End(None))


def _drain(queue: Queue[EntryT | _End], thread: threading.Thread) -> None:
    # A thread that waits for a free place has to be let go, or it never ends.
    while thread.is_alive():
        try:
            queue.get(timeout=_WAKE_S)
        except Empty:
            continue
    thread.join()


class PlanarFrames:
    """Brings frames of one kind to 8-bit planar 4:2:0, the form that is blurred and encoded."""

    def __init__(self, first: VideoFrame) -> None:
        self._kind = _kind(first)
        self._reformatter = VideoReformatter()  # One for all: building it takes longer than using it.
        source_format = first.format.name
        full_range = source_format.startswith("yuvj") or first.color_range == _FULL_RANGE
        if source_format in _PLANAR_420:
            self.pixel_format = source_format
        else:
            self.pixel_format = "yuvj420p" if full_range else "yuv420p"

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as 4:2:0; one that already is comes back untouched and uncopied."""
        if _kind(frame) != self._kind:
            raise UnsupportedVideo(f"the picture changes from {self._kind} to {_kind(frame)} on its way")
        if frame.format.name == self.pixel_format:
            return frame
        return self._reformatter.reformat(frame, format=self.pixel_format, threads=1)


def editable_planes(frame: VideoFrame) -> list[Plane]:
    """Return Y, U and V as uint8 arrays (height, width) that show and change the frame itself."""
    # The decoder predicts later frames from this one: edited in place it would spread the blur to them.
    frame.make_writable()
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
