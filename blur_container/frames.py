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
from blur_container.fields import Fields
from blur_container.form import Form
from blur_container.geometry import Size
from blur_container.padding import Letterbox, Padding, arrays
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
    """Brings frames to planar 4:2:0 and, once blurred, to the size that is encoded.

    They are meant to be of one kind. What changes on the way and can be converted exactly becomes what the
    first frame was, and is noted in `changes`; all else is refused.
    """

    def __init__(self, first: VideoFrame, form: Form) -> None:
        self._first = first
        self._form = form
        self._size, self._color = Size(first.width, first.height), Color.of(first)
        self._reformatter = VideoReformatter()  # One for all: building it takes longer than using it.
        grows = form.aperture is not None or form.size != self._size
        self._padding = Padding(first, form) if grows else None
        self._fields = Fields(first, form)
        self._letterboxes: dict[Size, Letterbox] = {}
        self._changes: dict[str, None] = {}

    @property
    def changes(self) -> tuple[str, ...]:
        """Return in words what changed on the way, in the order it was met."""
        return tuple(self._changes)

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as planar 4:2:0, in its own size; one that is so already comes back uncopied."""
        frame = self._fields.alike(frame)
        color = self._alike(frame)
        is_kept = frame.format.name == self._form.pixel_format and color == self._color
        return frame if is_kept and not self._is_mapped else self._reformatted(frame, color)

    def padded(self, frame: VideoFrame) -> VideoFrame:
        """Return a converted frame in the size that is encoded."""
        size = Size(frame.width, frame.height)
        if size != self._size:
            return self._letterbox(frame, size).grow(frame)
        return frame if self._padding is None else self._padding.grow(frame)

    def _alike(self, frame: VideoFrame) -> Color:
        """Return the colours of `frame` in the words of the first one; refuse what cannot become like it."""
        if _format(frame) != _format(self._first):
            raise UnsupportedVideo(
                f"the pixels change from {_format(self._first)} to {_format(frame)} on their way"
            )
        size = Size(frame.width, frame.height)
        if size != self._size:
            self._note_size(size)
        color = Color.of(frame)
        if color == self._color:
            return color
        named = color.named_like(self._color, self._size)
        if named is None:
            raise UnsupportedVideo(f"the colours change from {self._color} to {color} on their way")
        if named != self._color:
            self._note_color(named)
        return named

    def _note_size(self, size: Size) -> None:
        if self._form.is_interlaced or self._form.aperture is not None:
            raise UnsupportedVideo(
                f"the picture changes from {_words(self._size)} to {_words(size)} on its way, "
                "and has fields or a clean aperture"
            )
        self._changes[f"scaled from {_words(size)} to {_words(self._size)}, the first size"] = None

    def _note_color(self, color: Color) -> None:
        if color.is_full_range != self._color.is_full_range:
            names = ("full", "limited") if color.is_full_range else ("limited", "full")
            self._changes["{} range became {}, the first range".format(*names)] = None
        if color.matrix != self._color.matrix:
            self._changes[f"matrix {color.matrix} became {self._color.matrix}, the first matrix"] = None

    def _letterbox(self, frame: VideoFrame, size: Size) -> Letterbox:
        if size not in self._letterboxes:
            self._letterboxes[size] = Letterbox(frame, self._form, self._size)
        return self._letterboxes[size]

    @property
    def _is_mapped(self) -> bool:
        return self._color.transfer != self._form.color.transfer

    def _reformatted(self, frame: VideoFrame, source: Color) -> VideoFrame:
        color = self._form.color
        if not source.is_full_range and frame.format.name.startswith("yuvj"):
            frame = _renamed(frame)
        # Told, these map every pixel's light, HDR by its mastering display: 16 ms a frame of 720p.
        transfer, primaries = (color.transfer, color.primaries) if self._is_mapped else (None, None)
        return self._reformatter.reformat(
            frame,
            format=self._form.pixel_format,
            dst_colorspace=color.matrix,
            # Not told, the reformatter takes each side's range from its format, which may not say it.
            src_color_range=_range(source),
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


def _renamed(frame: VideoFrame) -> VideoFrame:
    """Return a copy of `frame` whose format does not say that its range is full.

    The decoder keeps the format of the first frame where the range alone changes; the reformatter takes its
    word for more than what it is told.
    """
    copy = VideoFrame(frame.width, frame.height, _format(frame))
    for source, target in zip(arrays(frame), arrays(copy), strict=True):
        target[:] = source
    copy.pts, copy.time_base = frame.pts, frame.time_base
    copy.color_range, copy.colorspace = frame.color_range, frame.colorspace
    copy.color_primaries, copy.color_trc = frame.color_primaries, frame.color_trc
    return copy


def _format(frame: VideoFrame) -> str:
    """Return the name of a pixel format; those of full range have two."""
    return frame.format.name.replace("yuvj", "yuv")


def _words(size: Size) -> str:
    return f"{size.width}x{size.height}"
