"""Decoded frames on their way: read ahead in a thread, brought to 4:2:0, seen as editable arrays."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from queue import Empty, Queue
from typing import TypeVar

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from blur_container.blur import Plane
from blur_container.color import Color
from blur_container.form import Form
from blur_container.geometry import Size
from blur_container.padding import Padding, arrays
from chalicelib.contract.errors import UnsupportedVideo

_WAKE_S = 0.05

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
    """Brings frames of one kind to planar 4:2:0, and, once blurred, to the size that is encoded."""

    def __init__(self, first: VideoFrame, form: Form) -> None:
        self._kind = _kind(first)
        self._form = form
        self._color = Color.of(first)
        self._reformatter = VideoReformatter()  # One for all: building it takes longer than using it.
        grows = form.size != Size(first.width, first.height)
        self._padding = Padding(first, form) if grows else None
        self._is_kept = first.format.name == form.pixel_format and not self._is_mapped

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as planar 4:2:0; one that is so already comes back untouched and uncopied."""
        if _kind(frame) != self._kind:
            raise UnsupportedVideo(f"the picture changes from {self._kind} to {_kind(frame)} on its way")
        return frame if self._is_kept else self._reformatted(frame)

    def padded(self, frame: VideoFrame) -> VideoFrame:
        """Return a converted frame in the size that is encoded."""
        return frame if self._padding is None else self._padding.grow(frame)

    @property
    def _is_mapped(self) -> bool:
        return self._color.transfer != self._form.color.transfer

    def _reformatted(self, frame: VideoFrame) -> VideoFrame:
        color = self._form.color
        # Told, these map every pixel's light, HDR by its mastering display: 16 ms a frame of 720p.
        transfer, primaries = (color.transfer, color.primaries) if self._is_mapped else (None, None)
        return self._reformatter.reformat(
            frame,
            format=self._form.pixel_format,
            dst_colorspace=color.matrix,
            # Not told, the reformatter takes each side's range from its format, which may not say it.
            src_color_range=_range(self._color),
            dst_color_range=_range(color),
            dst_color_trc=transfer,
            dst_color_primaries=primaries,
            threads=1,
        )


def editable_planes(frame: VideoFrame) -> list[Plane]:
    """Return Y, U and V as arrays (height, width) that show and change the frame itself.

    uint8 for samples of 8 bits, uint16 for deeper ones.
    """
    # The decoder predicts later frames from this one: edited in place it would spread the blur to them.
    frame.make_writable()
    return list(arrays(frame))


def _range(color: Color) -> ColorRange:
    return ColorRange.JPEG if color.is_full_range else ColorRange.MPEG


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
