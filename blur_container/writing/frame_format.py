"""Frame format: convert decoded frames to 4:2:0 and to the encoded size; their planes as arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
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
    """Converts frames to planar 4:2:0 and, after the blur, to the encoded size.

    A mid-stream change that can be converted exactly is converted to the form of the first frame and recorded
    in `changes`; any other raises UnsupportedVideo.
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
        """Return the mid-stream changes in words, in the order they came."""
        return tuple(self._changes)

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as planar 4:2:0, in its own size; `frame` itself where it has that format."""
        frame = self._fields.alike(frame)
        color = self._color_like_first(frame)
        is_kept = frame.format.name == self._output_format.pixel_format and color == self._color
        return frame if is_kept and not self._is_mapped else self._reformatted(frame, color)

    def padded(self, frame: VideoFrame) -> VideoFrame:
        """Return a converted frame in the encoded size."""
        size = Size(frame.width, frame.height)
        if size != self._size:
            if size not in self._letterboxes:
                self._letterboxes[size] = Letterbox(frame, self._output_format, self._size)
            return self._letterboxes[size].grow(frame)
        return frame if self._padding is None else self._padding.grow(frame)

    def _color_like_first(self, frame: VideoFrame) -> Color:
        """Return the colours of `frame`, by the tags of the first where they mean the same.

        Record a change that can be converted; raise UnsupportedVideo for any other.
        """
        if _format(frame) != _format(self._first):
            raise UnsupportedVideo(
                f"the pixel format changes mid-stream from {_format(self._first)} to {_format(frame)}"
            )
        size = Size(frame.width, frame.height)
        if size != self._size:
            self._note_size(size)
        color = Color.of(frame)
        if color == self._color:
            return color
        named = color.named_like(self._color, self._size)
        if named is None:
            raise UnsupportedVideo(f"the colours change mid-stream from {self._color} to {color}")
        if named != self._color:
            self._note_color(named)
        return named

    def _note_size(self, size: Size) -> None:
        if self._output_format.is_interlaced or self._output_format.aperture is not None:
            raise UnsupportedVideo(
                f"frame size changes mid-stream from {_words(self._size)} to {_words(size)}, "
                "which is not possible with fields or a clean aperture"
            )
        self._changes[f"scaled from {_words(size)} to {_words(self._size)}, the first size"] = None

    def _note_color(self, color: Color) -> None:
        if color.is_full_range != self._color.is_full_range:
            names = ("full", "limited") if color.is_full_range else ("limited", "full")
            self._changes["{} range became {}, the first range".format(*names)] = None
        if color.matrix != self._color.matrix:
            self._changes[f"matrix {color.matrix} became {self._color.matrix}, the first matrix"] = None

    @property
    def _is_mapped(self) -> bool:
        return self._color.transfer != self._output_format.color.transfer

    def _reformatted(self, frame: VideoFrame, source: Color) -> VideoFrame:
        color = self._output_format.color
        if not source.is_full_range and frame.format.name.startswith("yuvj"):
            frame = _renamed(frame)
        # With these two the reformatter tone-maps every pixel: 16 ms a frame of 720p.
        transfer, primaries = (color.transfer, color.primaries) if self._is_mapped else (None, None)
        return self._reformatter.reformat(
            frame,
            format=self._output_format.pixel_format,
            dst_colorspace=color.matrix,
            # Otherwise the reformatter takes each range from the pixel format, which may not imply it.
            src_color_range=_range(source),
            dst_color_range=_range(color),
            dst_color_trc=transfer,
            dst_color_primaries=primaries,
            threads=1,
        )


def editable_planes(frame: VideoFrame) -> list[Plane]:
    """Return Y, U and V as arrays (height, width) over the memory of the frame; writing changes the frame.

    uint8 for samples of 8 bits, uint16 for deeper ones.
    """
    # The decoder predicts later frames from this one: without a copy the blur would spread to them.
    frame.make_writable()
    return list(arrays(frame))


def _range(color: Color) -> ColorRange:
    return ColorRange.JPEG if color.is_full_range else ColorRange.MPEG


def _renamed(frame: VideoFrame) -> VideoFrame:
    """Return a copy of `frame` with a pixel format that does not imply full range.

    The decoder keeps the format of the first frame where only the range changes, and the reformatter believes
    the format more than the range it is given.
    """
    copy = VideoFrame(frame.width, frame.height, _format(frame))
    for source, target in zip(arrays(frame), arrays(copy), strict=True):
        target[:] = source
    copy.pts, copy.time_base = frame.pts, frame.time_base
    copy.color_range, copy.colorspace = frame.color_range, frame.colorspace
    copy.color_primaries, copy.color_trc = frame.color_primaries, frame.color_trc
    return copy


def _format(frame: VideoFrame) -> str:
    """Return the pixel format; yuvj names, the same with full range, become yuv names."""
    return frame.format.name.replace("yuvj", "yuv")


def _words(size: Size) -> str:
    return f"{size.width}x{size.height}"


class Padding:
    """Crops frames of one size to their clean aperture, and repeats the right and lower edges."""

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        self._shown = output_format.aperture or Rect(0, 0, first.width, first.height)
        self._frames = _Frames(first, output_format)

    def grow(self, frame: VideoFrame) -> VideoFrame:
        """Return a padded copy of `frame`; FFmpeg's pad filter alone would lose an odd column."""
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
    """Scales frames of one size into `place`, at the upper left of the output frame; the rest is black."""

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
        """Return `frame` scaled with its aspect ratio, and with black bars beside or above it."""
        small = self._reformatter.reformat(
            frame, self._width, self._height, interpolation=Interpolation.BICUBIC, threads=1
        )
        self._frames = self._frames or _Frames(small, self._output_format)
        grown = self._frames.like(small)
        for number, (narrow, wide) in enumerate(self._frames.planes(small, grown)):
            black = _NO_COLOUR if number else _LIMITED_BLACK * (not self._output_format.color.is_full_range)
            wide[:] = black << (self._output_format.depth - _BYTE_BITS)
            across, down = _chroma_steps(narrow, small)
            place = self._place.scaled_down(across, down)
            _part(wide, place)[:] = narrow[: place.bottom - place.top, : place.right - place.left]
        return grown


class _Frames:
    """Makes frames of the output size with the times, tags and side data of frames like `first`."""

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        # These filters keep fields, times, captions and colours.
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
        """Return a writable frame of the output size with the side data, and some pixels, of `frame`."""
        self._graph.vpush(frame)
        made = self._graph.vpull()
        made.make_writable()
        return made

    @staticmethod
    def planes(frame: VideoFrame, made: VideoFrame) -> Iterator[tuple[Plane, Plane]]:
        """Yield each plane of `frame` with the same plane of `made`."""
        return zip(arrays(frame), arrays(made), strict=True)


def _part(plane: Plane, rect: Rect) -> Plane:
    return plane[rect.top : rect.bottom, rect.left : rect.right]


def _chroma_steps(plane: Plane, frame: VideoFrame) -> tuple[int, int]:
    """Return how many pixels of `frame` one sample of `plane` covers, across and down."""
    height, width = plane.shape
    return -(-frame.width // width), -(-frame.height // height)


def arrays(frame: VideoFrame) -> Iterator[Plane]:
    """Yield each plane as an array (height, width) over its bytes; uint16 for deep samples."""
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        flat: Plane = np.frombuffer(
            memoryview(plane), np.uint8 if component.bits <= _BYTE_BITS else np.uint16
        )
        yield flat.reshape(-1, plane.line_size // flat.itemsize)[: plane.height, : plane.width]
