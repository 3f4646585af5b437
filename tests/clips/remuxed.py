"""Clips in another container: the same packets, written by another muxer."""

from __future__ import annotations

from pathlib import Path

import av


def remuxed(source: Path, target: Path, container: str | None = None) -> Path:
    """Copy the video of `source` to `target`, in the container of its suffix unless one is named."""
    with av.open(str(source)) as read, av.open(str(target), "w", format=container) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                written.mux(packet)
    return target
