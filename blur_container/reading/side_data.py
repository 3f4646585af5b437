"""Side data of frames: the display matrix and whatever else a frame carries beside its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from blur_container.reading.timestamps import frame_unit

# More kinds than FFmpeg has.
_KINDS = 128


def side_data(frame: VideoFrame) -> Mapping[Type, Any]:
    """Return the side data of `frame` whose kind PyAV has a name for.

    PyAV raises ValueError for a frame with a kind it cannot name (EXIF, 3D views): a filter removes those.
    """
    try:
        return cast("Mapping[Type, Any]", frame.side_data)
    except ValueError:
        return cast("Mapping[Type, Any]", _with_known_kinds(frame).side_data)


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """Return the nine numbers of FFmpeg's display matrix, or None where the frame is shown as coded.

    Some recorders write a matrix of zeros, which would show nothing: players ignore it.
    """
    matrix = side_data(frame).get(Type.DISPLAYMATRIX)
    numbers = () if matrix is None else tuple(memoryview(matrix).cast("B").cast("i"))
    return numbers if any(numbers[:6]) else None


def _with_known_kinds(frame: VideoFrame) -> VideoFrame:
    known = {cast("int", kind.value) for kind in Type}
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame_unit(frame)
    )
    unknown = (number for number in range(_KINDS) if number not in known)
    deletions = [graph.add("sidedata", f"mode=delete:type={number}") for number in unknown]
    graph.link_nodes(source, *deletions, graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()
