"""Padding: frames cut to what is shown of them, and brought to the size that is encoded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

from blur_container.blur import Plane
from blur_container.form import Form
from blur_container.geometry import Rect, Size
from blur_container.times import frame_unit

_BYTE_BITS = 8
_LIMITED_BLACK, _NO_COLOUR = 16, 128


class Padding:
    """Brings frames of one size to that of a form; right and below, their own edge is repeated.

    What their clean aperture hides is cut off.
    """

    def __init__(self, first: VideoFrame, form: Form) -> None:
        self._shown = form.aperture or Rect(0, 0, first.width, first.height)
        self._frames = _Frames(first, form)

    def grow(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` with its edges repeated; the filter alone would lose an odd column."""
        grown = self._frames.like(frame)
        for narrow, wide in self._frames.planes(frame, grown):
            across, down = _chroma_steps(narrow, frame)
            part = _part(narrow, self._shown.scaled_down(across, down))
            height, width = part.shape
            wide[:height, :width] = part
            wide[:height, width:] = part[:, -1:]
            wide[height:] = wide[height - 1]
        return grown


class Letterbox:
    """Scales frames of one size into `place`, the upper left of the frames of a form; the rest is black."""

    def __init__(self, frame: VideoFrame, form: Form, place: Size) -> None:
        scale = min(place.width / frame.width, place.height / frame.height)
        self._width, self._height = (
            max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height)
        )
        left, top = (place.width - self._width) // 4 * 2, (place.height - self._height) // 4 * 2
        self._place = Rect(max(left, 0), max(top, 0), left + self._width, top + self._height)
        self._form = form
        self._reformatter = VideoReformatter()
        self._frames: _Frames | None = None

    def grow(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` scaled, its shape unchanged, with black bars where that leaves room."""
        small = self._reformatter.reformat(
            frame, self._width, self._height, interpolation=Interpolation.BICUBIC, threads=1
        )
        self._frames = self._frames or _Frames(small, self._form)
        grown = self._frames.like(small)
        for number, (narrow, wide) in enumerate(self._frames.planes(small, grown)):
            wide[:] = self._black(number)
            across, down = _chroma_steps(narrow, small)
            place = self._place.scaled_down(across, down)
            _part(wide, place)[:] = narrow[: place.bottom - place.top, : place.right - place.left]
        return grown

    def _black(self, plane: int) -> int:
        level = _NO_COLOUR if plane else _LIMITED_BLACK * (not self._form.color.is_full_range)
        return level << (self._form.depth - _BYTE_BITS)


class _Frames:
    """Makes frames of a form's size that carry what frames like `first` carry beside their pixels."""

    def __init__(self, first: VideoFrame, form: Form) -> None:
        # The filters keep fields, times, captions and colours.
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=first.width,
            height=first.height,
            format=VideoFormat(form.pixel_format),
            time_base=frame_unit(first),
        )
        width, height = form.size.width, form.size.height
        pad = self._graph.add("pad", f"{max(width, first.width)}:{max(height, first.height)}:0:0")
        crop = self._graph.add("crop", f"{width}:{height}:0:0")
        self._graph.link_nodes(source, pad, crop, self._graph.add("buffersink")).configure()

    def like(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame whose pixels may be written; some of them are those of `frame`."""
        self._graph.vpush(frame)
        made = self._graph.vpull()
        made.make_writable()
        return made

    @staticmethod
    def planes(frame: VideoFrame, made: VideoFrame) -> Iterator[tuple[Plane, Plane]]:
        """Yield each plane of a frame and that of the one it is brought to."""
        return zip(arrays(frame), arrays(made), strict=True)


def _part(plane: Plane, rect: Rect) -> Plane:
    return plane[rect.top : rect.bottom, rect.left : rect.right]


def _chroma_steps(plane: Plane, frame: VideoFrame) -> tuple[int, int]:
    """Return how many pixels of `frame` one sample of `plane` stands for, across and down."""
    height, width = plane.shape
    return -(-frame.width // width), -(-frame.height // height)


def arrays(frame: VideoFrame) -> Iterator[Plane]:
    """Yield each plane as an array (height, width) over its bytes; uint16 for deep samples."""
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        yield _array(plane, component.bits)


def _array(plane: VideoPlane, bits: int) -> Plane:
    flat: Plane = np.frombuffer(memoryview(plane), np.uint8 if bits <= _BYTE_BITS else np.uint16)
    return flat.reshape(-1, plane.line_size // flat.itemsize)[: plane.height, : plane.width]
