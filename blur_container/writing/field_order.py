"""Fields: which half of an interlaced frame is shown first, the same in all frames of a video."""

from __future__ import annotations

from contextlib import suppress

from av.filter import Graph
from av.video.frame import VideoFrame

from blur_container.reading.timestamps import frame_unit
from blur_container.writing.output_format import OutputFormat
from chalicelib.contract.errors import UnsupportedVideo

# FFmpeg's AVFieldOrder: the top field is shown first in TT and BT, the bottom field in BB and TB.
_TOP_FIRST = frozenset({2, 5})


class Fields:
    """Keeps frames to the fields of the first: an encoder of H.264 has one order for all of them."""

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        self._is_interlaced = output_format.is_interlaced
        self._graphs: dict[str, Graph] = {}
        shows_order = output_format.is_interlaced and first.interlaced_frame
        self._is_top_first = (
            self._top_first(first) if shows_order else output_format.field_order in _TOP_FIRST
        )

    def alike(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` with fields in the order of the first, as both halves of a whole frame can have.

        Raise UnsupportedVideo where its own fields have another order, or the first frame had none.
        """
        if not frame.interlaced_frame:
            return self._marked(frame) if self._is_interlaced else frame
        if not self._is_interlaced:
            raise UnsupportedVideo("frames of two fields follow frames without fields")
        if self._top_first(frame) != self._is_top_first:
            raise UnsupportedVideo("the order of fields changes on its way")
        return frame

    def _marked(self, frame: VideoFrame) -> VideoFrame:
        graph = self._graph(frame, "setfield", "tff" if self._is_top_first else "bff")
        graph.vpush(frame)
        return graph.vpull()

    def _top_first(self, frame: VideoFrame) -> bool:
        # PyAV does not tell; a filter lets pass what it is asked for.
        graph = self._graph(frame, "select", "eq(interlace_type\\,1)")
        graph.vpush(frame)
        with suppress(BlockingIOError):
            return bool(graph.vpull())
        return False

    def _graph(self, frame: VideoFrame, name: str, value: str) -> Graph:
        if name not in self._graphs:
            graph = self._graphs[name] = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame_unit(frame)
            )
            graph.link_nodes(source, graph.add(name, value), graph.add("buffersink")).configure()
        return self._graphs[name]
