"""Fields and edit lists: what a container says about how and when frames are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av import logging
from av.codec.context import Flags
from av.filter import Graph
from av.packet import Packet
from av.video.frame import VideoFrame

from chalicelib.contract.errors import UnsupportedVideo
from tests.checks.readback import shown_frames, video_times
from tests.checks.segmented import render
from tests.checks.versions import needs_pyav_18
from tests.clips import Clip, make_clip

_UNIT = Fraction(1, 25)


def filtered(frames: Iterator[VideoFrame], name: str, value: str) -> Iterator[VideoFrame]:
    """Yield `frames` after one of FFmpeg's filters."""
    graph: Graph | None = None
    for frame in frames:
        graph = graph or ready_graph(frame, name, value)
        graph.vpush(frame)
        yield graph.vpull()


def ready_graph(frame: VideoFrame, name: str, value: str) -> Graph:
    """Return a graph of one filter for frames like `frame`."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_UNIT)
    graph.link_nodes(source, graph.add(name, value), graph.add("buffersink")).configure()
    return graph


def greys(count: int, height: int) -> Iterator[VideoFrame]:
    """Yield `count` frames, each brighter than the one before."""
    for index in range(count):
        picture = np.full((height, 160, 3), index * 20, np.uint8)
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, _UNIT
        yield frame


def interlaced(path: Path, order: str, height: int = 96) -> Path:
    """Write ten frames of two fields each; `order` is tff or bff."""
    with av.open(str(path), "w") as container:
        codec = "libx264" if height % 4 == 0 else "mpeg2video"
        stream = container.add_stream(codec, rate=25, options={"x264-params": "weightp=0:bframes=0"})
        stream.width, stream.height, stream.pix_fmt = 160, height, "yuv420p"
        stream.codec_context.flags |= Flags.interlaced_dct
        stream.codec_context.time_base = _UNIT
        for frame in filtered(greys(10, height), "setfield", order):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def field_orders(path: Path) -> set[str]:
    """Return the field orders of all frames in `path`: T, B, or P where they have none."""
    level = logging.get_level()
    logging.set_level(logging.INFO)
    try:
        with logging.Capture() as lines, av.open(str(path)) as container:
            list(filtered(container.decode(video=0), "showinfo", ""))
    finally:
        logging.set_level(level)
    return {order for _, _, line in lines for order in re.findall(r" i:(.) ", line)}


@needs_pyav_18
@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize(("order", "letter"), [("tff", "T"), ("bff", "B")])
def test_fields_stay_fields(tmp_path: Path, name: str, order: str, letter: str) -> None:
    """Interlaced video is encoded so, with the same field first."""
    source = interlaced(tmp_path / name, order)

    render(source)

    assert field_orders(source) == {letter}
    assert field_orders(tmp_path / "out.mp4") == {letter}


@needs_pyav_18
def test_fields_of_odd_height_are_padded(tmp_path: Path) -> None:
    """486 lines, as in DV, leave half a line of chroma to each field."""
    source = interlaced(tmp_path / "in.mkv", "bff", height=98)

    report = render(source)

    assert field_orders(tmp_path / "out.mp4") == {"B"}
    assert report.output_format.changes == ("padded from 160x98 to 160x100",)


def joined(path: Path, parts: list[Path]) -> Path:
    """Copy the packets of `parts`, frames of 1/25 s in order, into one track of `path`."""
    contents = [content for part in parts for content in contents_of(part)]
    with av.open(str(parts[0])) as first, av.open(str(path), "w") as container:
        twin = container.add_stream_from_template(first.streams.video[0])
        for place, content in enumerate(contents):
            packet: Any = Packet(content)
            packet.pts = packet.dts = place
            packet.time_base, packet.duration, packet.stream = _UNIT, 1, twin
            container.mux(packet)
    return path


def contents_of(path: Path) -> list[bytes]:
    """Return the bytes of all video packets of `path`."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@needs_pyav_18
@pytest.mark.parametrize("orders", [("tff", "bff"), ("bff", "tff")])
@pytest.mark.parametrize(("height", "name"), [(98, "in.mkv"), (98, "in.avi"), (98, "in.mov")])
def test_an_order_of_fields_that_changes_is_refused(
    tmp_path: Path, orders: tuple[str, str], height: int, name: str
) -> None:
    """H.264 is encoded with one order for all frames: others would be shown backwards."""
    parts = [interlaced(tmp_path / f"{order}.mkv", order, height) for order in orders]
    source = joined(tmp_path / name, parts)

    with pytest.raises(UnsupportedVideo, match="order of fields changes"):
        render(source)


@needs_pyav_18
@pytest.mark.parametrize("order", ["tff", "bff"])
def test_fields_after_whole_frames_are_refused(tmp_path: Path, order: str) -> None:
    """The first frame tells that there are none, and so does the output's encoder."""
    options = {"x264-params": "bframes=0"}
    plain = make_clip(tmp_path / "plain.h264", Clip(size=(160, 96), seconds=0.4, options=options))
    fields = interlaced(tmp_path / "fields.h264", order)
    source = joined(tmp_path / "in.mkv", [plain, fields])

    with pytest.raises(UnsupportedVideo, match="two fields follow"):
        render(source)


@needs_pyav_18
@pytest.mark.parametrize(("order", "letter"), [("tff", "T"), ("bff", "B")])
def test_whole_frames_among_fields_keep_the_order_of_the_others(
    tmp_path: Path, order: str, letter: str
) -> None:
    """Two fields of one moment are a whole frame: it is encoded as such, in the order of the video."""
    options = {"x264-params": "bframes=0"}
    fields = interlaced(tmp_path / "fields.h264", order)
    plain = make_clip(tmp_path / "plain.h264", Clip(size=(160, 96), seconds=0.4, options=options))
    source = joined(tmp_path / "in.mkv", [fields, plain])

    render(source)

    assert field_orders(source) == {letter, "P"}
    assert field_orders(tmp_path / "out.mp4") == {letter}


def test_progressive_video_stays_progressive(tmp_path: Path) -> None:
    """The output of a progressive video has no field order."""
    render(make_clip(tmp_path / "in.mp4", Clip(seconds=0.2)))

    assert field_orders(tmp_path / "out.mp4") == {"P"}


def shifted(source: Path, target: Path, ticks: int) -> Path:
    """Copy `source` with all times moved by `ticks` frames."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as container:
        twin = container.add_stream_from_template(whole.streams.video[0])
        packets = (packet for packet in whole.demux(video=0) if packet.size)
        for packet in packets:
            packet.pts, packet.dts = (packet.pts or 0) + ticks * 512, (packet.dts or 0) + ticks * 512
            packet.stream = twin
            container.mux(packet)
    return target


@pytest.mark.parametrize("ticks", [-7, -1, 0, 5], ids=["cut in", "one off", "whole", "late"])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3"}], ids=["no B-frames", "B-frames"])
def test_edit_list_hides_what_it_hid_before(tmp_path: Path, ticks: int, options: dict[str, str]) -> None:
    """Frames before time zero are in the file and not shown: they stay out, the others keep their times."""
    clip = Clip(seconds=1.0, frame_rate=Fraction(25), time_base=Fraction(1, 12800), options=options)
    plain = make_clip(tmp_path / "plain.mp4", clip)
    source = shifted(plain, tmp_path / "in.mp4", ticks)

    render(source)

    shown = [frame.time for frame in shown_frames(source)]
    assert len(shown) == 25 + min(ticks, 0)
    assert video_times(tmp_path / "out.mp4") == shown
