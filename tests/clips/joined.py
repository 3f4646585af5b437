"""Clips joined into one track, as recorders do: what the decoder is told changes on the way."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from chalicelib.contract.faces import Box, Detection, FacesDocument
from tests.clips import Clip, document_of, make_clip

_RAW = {"libx264": ".h264", "libvpx": ".webm", "libvpx-vp9": ".webm", "libx265": ".hevc"}


def join_clips(path: Path, clips: Sequence[Clip], first_tick: int = 0) -> Path:
    """Write the packets of `clips`, each encoded by itself, into one video track of `path`, frame by frame.

    Their frames must be encoded in the order they are shown in.
    """
    suffix = _RAW.get(clips[0].codec, ".avi")
    parts = [make_clip(path.with_name(f"part-{n}{suffix}"), clip) for n, clip in enumerate(clips)]
    step = 1 / clips[0].frame_rate
    with av.open(str(parts[0])) as first, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(first.streams.video[0])
        for index, content in enumerate(_packets(parts)):
            packet: Packet[Any] = Packet(content[0])
            packet.time_base, packet.stream = step, stream
            packet.pts = packet.dts = index + first_tick
            packet.duration = 1
            packet.is_keyframe = content[1]
            container.mux_one(packet)
    return path


def joined_faces(clips: Sequence[Clip], interval: int = 6) -> FacesDocument:
    """Return what a detector sees in every so many-th frame of the joined clips."""
    times = list(enumerate(joined_boxes(clips)))
    rate = clips[0].frame_rate
    found = [
        Detection(round(index / rate * 1000), box, 99.0)
        for index, boxes in times[::interval]
        for box in boxes
    ]
    return document_of(found, clips[0].size)


def joined_boxes(clips: Sequence[Clip]) -> list[list[Box]]:
    """Return where the faces are in each frame, in fractions of that frame."""
    return [clip.boxes(pts) for clip in clips for pts in clip.times]


def letterboxed(box: Box, own: tuple[int, int], place: tuple[int, int]) -> Box:
    """Return `box`, in fractions of a picture of size `own`, in fractions of the frame it is fitted into."""
    scale = min(Fraction(place[0], own[0]), Fraction(place[1], own[1]))
    shares = [float(side * scale / whole) for side, whole in zip(own, place, strict=True)]
    return Box(
        (1 - shares[0]) / 2 + box.left * shares[0],
        (1 - shares[1]) / 2 + box.top * shares[1],
        box.width * shares[0],
        box.height * shares[1],
    )


def _packets(parts: Sequence[Path]) -> list[tuple[bytes, bool]]:
    packets = []
    for part in parts:
        with av.open(str(part)) as container:
            demuxed = container.demux(container.streams.video[0])
            packets += [(bytes(packet), packet.is_keyframe) for packet in demuxed if packet.size]
    return packets
