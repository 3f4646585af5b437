"""Field order: which field of interlaced frames is shown first, the same in all frames of a video."""

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
    """Checks that all frames have the field order of the first: an H.264 encoder has one for all."""

    def __init__(self, first: VideoFrame, output_format: OutputFormat) -> None:
        self._is_interlaced = output_format.is_interlaced
        self._graphs: dict[str, Graph] = {}
        shows_order = output_format.is_interlaced and first.interlaced_frame
        self._is_top_first = (
            self._top_first(first) if shows_order else output_format.field_order in _TOP_FIRST
        )

    def alike(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame`; a progressive frame of interlaced video gets the field order of the first.

        Raise UnsupportedVideo where its own fields have another order, or the first frame had none.
        """
        if not frame.interlaced_frame:
            if not self._is_interlaced:
                return frame
            graph = self._graph(frame, "setfield", "tff" if self._is_top_first else "bff")
            graph.vpush(frame)
            return graph.vpull()
        if not self._is_interlaced:
            raise UnsupportedVideo("frames of two fields follow frames without fields")
        if self._top_first(frame) != self._is_top_first:
            raise UnsupportedVideo("the order of fields changes mid-stream")
        return frame

    def _top_first(self, frame: VideoFrame) -> bool:
        # PyAV does not expose the order; this filter passes frames whose top field is first only.
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
