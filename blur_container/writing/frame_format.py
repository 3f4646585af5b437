"""Decoded frames on their way: read ahead in a thread, brought to 4:2:0, seen as editable arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from blur_container.geometry import Plane, Rect, Size
from blur_container.reading.timestamps import frame_unit
from blur_container.writing.color import Color
from blur_container.writing.field_order import Fields
from blur_container.writing.output_format import OutputFormat
from chalicelib.contract.errors import UnsupportedVideo

_BYTE_BITS = 8
_LIMITED_BLACK, _NO_COLOUR = 16, 128


class PlanarFrames:
    """Brings frames to planar 4:2:0 and, once blurred, to the size that is encoded.

    They are meant to be of one kind. What changes on the way and can be converted exactly becomes what the
    first frame was, and is noted in `changes`; all else is refused.
    """

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        self._first = first
        self._output_format = output_format
        self._size, self._color = Size(first.width, first.height), Color.of(first)
        self._reformatter = VideoReformatter()  # One for all: building it takes longer than using it.
        grows = output_format.aperture is not None or output_format.size != self._size
        self._padding = Padding(first, output_format) if grows else None
        self._fields = Fields(first, output_format)
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
        is_kept = frame.format.name == self._output_format.pixel_format and color == self._color
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
        if self._output_format.is_interlaced or self._output_format.aperture is not None:
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
            self._letterboxes[size] = Letterbox(frame, self._output_format, self._size)
        return self._letterboxes[size]

    @property
    def _is_mapped(self) -> bool:
        return self._color.transfer != self._output_format.color.transfer

    def _reformatted(self, frame: VideoFrame, source: Color) -> VideoFrame:
        color = self._output_format.color
        if not source.is_full_range and frame.format.name.startswith("yuvj"):
            frame = _renamed(frame)
        # Told, these map every pixel's light, HDR by its mastering display: 16 ms a frame of 720p.
        transfer, primaries = (color.transfer, color.primaries) if self._is_mapped else (None, None)
        return self._reformatter.reformat(
            frame,
            format=self._output_format.pixel_format,
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


class Padding:
    """Brings frames of one size to that of a form; right and below, their own edge is repeated.

    What their clean aperture hides is cut off.
    """

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        self._shown = output_format.aperture or Rect(0, 0, first.width, first.height)
        self._frames = _Frames(first, output_format)

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

    def __init__(self, frame: VideoFrame, output_format: OutputFormat, place: Size) -> None:
        scale = min(place.width / frame.width, place.height / frame.height)
        self._width, self._height = (
            max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height)
        )
        left, top = (place.width - self._width) // 4 * 2, (place.height - self._height) // 4 * 2
        self._place = Rect(max(left, 0), max(top, 0), left + self._width, top + self._height)
        self._output_format = output_format
        self._reformatter = VideoReformatter()
        self._frames: _Frames | None = None

    def grow(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` scaled, its shape unchanged, with black bars where that leaves room."""
        small = self._reformatter.reformat(
            frame, self._width, self._height, interpolation=Interpolation.BICUBIC, threads=1
        )
        self._frames = self._frames or _Frames(small, self._output_format)
        grown = self._frames.like(small)
        for number, (narrow, wide) in enumerate(self._frames.planes(small, grown)):
            wide[:] = self._black(number)
            across, down = _chroma_steps(narrow, small)
            place = self._place.scaled_down(across, down)
            _part(wide, place)[:] = narrow[: place.bottom - place.top, : place.right - place.left]
        return grown

    def _black(self, plane: int) -> int:
        level = _NO_COLOUR if plane else _LIMITED_BLACK * (not self._output_format.color.is_full_range)
        return level << (self._output_format.depth - _BYTE_BITS)


class _Frames:
    """Makes frames of a form's size that carry what frames like `first` carry beside their pixels."""

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        # The filters keep fields, times, captions and colours.
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=first.width,
            height=first.height,
            format=VideoFormat(output_format.pixel_format),
            time_base=frame_unit(first),
        )
        width, height = output_format.size.width, output_format.size.height
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
