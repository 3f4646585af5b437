"""Files with more than video and sound: subtitles, chapters, telemetry and tags put beside a clip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.subtitle import SubtitleSet

_MS = Fraction(1, 1000)
_OVERRIDES = re.compile(r"\{[^}]*\}")
_STYLES = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BackColour, Bold, Italic, Underline, BorderStyle, Alignment
Style: Default,Arial,16,&Hffffff,&H0,0,0,0,1,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class Extras:
    """What is put beside a clip: subtitles of 400 ms, chapters of 500 ms, telemetry, tags."""

    subtitle_codec: str | None = None
    lines: Sequence[str] = ()
    chapters: Sequence[str] = ()
    telemetry: bytes | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)


def with_extras(source: Path, target: Path, extras: Extras) -> Path:
    """Copy all packets of `source` to `target`, with `extras` beside them."""
    with (
        av.open(str(source)) as plain,
        av.open(str(target), "w", container_options=dict(extras.container_options)) as container,
    ):
        container.metadata.update(extras.tags)
        container.set_chapters([_chapter(*numbered) for numbered in enumerate(extras.chapters)])
        twins = {stream.index: container.add_stream_from_template(stream) for stream in plain.streams}
        packets = [*_text(container, extras), *_telemetry(container, extras)]
        container.start_encoding()
        for packet in packets:
            container.mux_one(packet)
        for copied in plain.demux():
            _copy(container, copied, twins)
    return target


def subtitle_lines(path: Path) -> list[tuple[Fraction, str]]:
    """Return when each line of the first subtitle stream of `path` begins, and what it says."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        shown = [
            (cast("int", packet.pts) * packet.time_base, decoded.dialogue.decode())
            for packet in container.demux(stream)
            if packet.size
            for decoded in cast("Any", packet.decode())
        ]
        return [(begin, _OVERRIDES.sub("", said)) for begin, said in shown if said]


def _copy(container: OutputContainer, packet: Packet[Any], twins: Mapping[int, Stream]) -> None:
    if packet.size:
        packet.stream = twins[packet.stream.index]
        container.mux_one(packet)


def _chapter(number: int, title: str) -> Any:
    return {
        "id": number,
        "start": 500 * number,
        "end": 500 * (number + 1),
        "time_base": _MS,
        "metadata": {"title": title},
    }


def _text(container: OutputContainer, extras: Extras) -> list[Packet[Any]]:
    if extras.subtitle_codec is None:
        return []
    stream = cast("Any", container.add_stream(extras.subtitle_codec))
    stream.metadata["language"] = "deu"
    stream.codec_context.subtitle_header = _STYLES
    stream.codec_context.time_base = _MS
    packets = []
    for number, line in enumerate(extras.lines):
        said = SubtitleSet.create(f"{number},0,Default,,0,0,0,,{line}".encode(), 0, 400, pts=500 * number)
        packet = stream.codec_context.encode_subtitle(said)
        packet.stream, packet.time_base, packet.duration = stream, _MS, 400
        packet.pts = packet.dts = 500 * number
        packets.append(packet)
    return packets


def _telemetry(container: OutputContainer, extras: Extras) -> list[Packet[Any]]:
    if extras.telemetry is None:
        return []
    stream = container.add_data_stream("bin_data")
    stream.metadata["handler_name"] = "GoPro MET"
    stream.time_base = _MS
    packet: Packet[Any] = Packet(extras.telemetry)
    packet.stream, packet.time_base = stream, _MS
    packet.pts = packet.dts = 0
    return [packet]


def without_keyframe(source: Path, target: Path, first: int) -> Path:
    """Copy the packets of `source` from that with the number `first` on."""
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        twin = copy.add_stream_from_template(container.streams.video[0], opaque=True)
        for packet in [packet for packet in container.demux(video=0) if packet.size][first:]:
            packet.stream = twin
            copy.mux_one(packet)
    return target
