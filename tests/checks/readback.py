"""What tests read from a rendered file: streams, times, packets and pictures, by opening it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from chalicelib.contract.faces import Box
from tests.clips import Clip

Luma = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One frame as it is displayed: its time in seconds and its luma (height, width)."""

    time: Fraction
    luma: Luma


def shown_frames(path: Path, options: Mapping[str, str] | None = None) -> list[Shown]:
    """Return all frames of `path`, turned as players turn them; `options` are the demuxer's."""
    with av.open(str(path), container_options=dict(options or {})) as container:
        stream = container.streams.video[0]
        unit = stream.time_base or Fraction(1)
        return [
            Shown(
                cast("int", frame.pts) * unit,
                np.rot90(frame.to_ndarray(format="gray"), frame.rotation // 90),
            )
            for frame in container.decode(stream)
        ]


def video_times(path: Path) -> list[Fraction]:
    """Return when each frame is shown, in seconds, earliest first."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return sorted(cast("int", packet.pts) * packet.time_base for packet in packets if packet.size)


def audio_packets(path: Path) -> list[list[bytes]]:
    """Return the packets of each audio stream."""
    with av.open(str(path)) as container:
        packets: dict[int, list[bytes]] = {stream.index: [] for stream in container.streams.audio}
        demuxed = cast("Any", container.demux(*container.streams.audio)) if packets else []
        for packet in demuxed:
            packets[packet.stream.index] += [bytes(packet)] if packet.size else []
        return list(packets.values())


def audio_starts(path: Path) -> list[Fraction]:
    """Return when each audio stream begins, in seconds."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        return [(stream.start_time or 0) * (stream.time_base or Fraction(1)) for stream in streams]


def detail(luma: Luma, box: Box) -> float:
    """Return how much neighbouring pixels differ inside `box`, on average; a blurred face is near 0."""
    height, width = luma.shape
    left, right = max(0, round(box.left * width)), min(width, round(box.right * width))
    top, bottom = max(0, round(box.top * height)), min(height, round(box.bottom * height))
    inside = luma[top:bottom, left:right].astype(np.float64)
    return float(np.abs(np.diff(inside, axis=1)).mean() + np.abs(np.diff(inside, axis=0)).mean())


def worst_detail(path: Path, clip: Clip, until: Fraction | None = None) -> float:
    """Return the most detail in any face of `clip` in the frames of `path`, all of which must be there.

    With `until`, a time in seconds, later frames do not count.
    """
    pairs = zip(clip.times, shown_frames(path), strict=True)
    seen = [(pts, frame) for pts, frame in pairs if until is None or frame.time < until]
    return max(detail(frame.luma, box) for pts, frame in seen for box in clip.boxes(pts))


def psnr_outside(before: Luma, after: Luma, boxes: list[Box], margin: float = 0.0) -> float:
    """Return the likeness in dB of two pictures, leaving out `boxes` with `margin` of their size around."""
    height, width = before.shape
    keep = np.ones(before.shape, dtype=bool)
    for box in boxes:
        left, right = (box.left - margin * box.width) * width, (box.right + margin * box.width) * width
        top, bottom = (box.top - margin * box.height) * height, (box.bottom + margin * box.height) * height
        rows, columns = slice(max(0, int(top)), int(bottom) + 1), slice(max(0, int(left)), int(right) + 1)
        keep[rows, columns] = False
    error = (before.astype(np.float64) - after.astype(np.float64))[keep]
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-9)))


def luma_psnr(path: Path, source: Path) -> float:
    """Return how near the luma of all frames of two videos is, in dB; sizes must be equal or padded."""
    errors = [
        float(np.mean((_cut(one.luma, other.luma) - other.luma.astype(np.float64)) ** 2))
        for one, other in zip(shown_frames(path), shown_frames(source), strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def _cut(luma: Luma, like: Luma) -> Luma:
    return luma[: like.shape[0], : like.shape[1]]
