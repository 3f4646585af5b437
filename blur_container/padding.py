"""Padding: frames of odd size made even, by repeating their last column and row."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from blur_container.blur import Plane
from blur_container.form import Form

_BYTE_BITS = 8
_DEFAULT_UNIT = Fraction(1, 1000)


class Padding:
    """Brings frames of one kind to the size of a form; right and below, their own edge is repeated."""

    def __init__(self, first: VideoFrame, form: Form) -> None:
        # The filter keeps what a frame carries beside its pixels: fields, times, captions, colours.
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=first.width,
            height=first.height,
            format=VideoFormat(form.pixel_format),
            time_base=first.time_base or _DEFAULT_UNIT,
        )
        grown = self._graph.add("pad", f"{form.size.width}:{form.size.height}:0:0")
        self._graph.link_nodes(source, grown, self._graph.add("buffersink")).configure()

    def grow(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` with its edges repeated; the filter alone would lose an odd column."""
        self._graph.vpush(frame)
        grown = self._graph.vpull()
        grown.make_writable()
        for narrow, wide in zip(arrays(frame), arrays(grown), strict=True):
            height, width = narrow.shape
            wide[:height, :width] = narrow
            wide[:height, width:] = narrow[:, -1:]
            wide[height:] = wide[height - 1]
        return grown


def arrays(frame: VideoFrame) -> Iterator[Plane]:
    """Yield each plane as an array (height, width) over its bytes; uint16 for deep samples."""
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        yield _array(plane, component.bits)


def _array(plane: VideoPlane, bits: int) -> Plane:
    flat: Plane = np.frombuffer(memoryview(plane), np.uint8 if bits <= _BYTE_BITS else np.uint16)
    return flat.reshape(-1, plane.line_size // flat.itemsize)[: plane.height, : plane.width]
