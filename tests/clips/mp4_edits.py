"""MP4 taken apart: boxes of a file replaced, samples cut out, as other muxers would have written it.

The index must stand behind the media, where FFmpeg puts it unless told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"stsd")
_HEAD = 8


def replaced(content: bytes, name: bytes, payload: bytes, track: int = 0) -> bytes:
    """Return `content` with another payload in the box `name`, that of the track with this number."""
    at = _place(content, name, track)
    (old,) = struct.unpack_from(">I", content, at)
    box = struct.pack(">I", _HEAD + len(payload)) + name + payload
    out = bytearray(content)
    for parent in _parents(content, at):
        (size,) = struct.unpack_from(">I", out, parent)
        struct.pack_into(">I", out, parent, size + len(box) - old)
    out[at : at + old] = box
    return bytes(out)


def payload_of(content: bytes, name: bytes, track: int = 0) -> bytes:
    """Return the payload of the box `name`, that of the track with this number."""
    at = _place(content, name, track)
    (size,) = struct.unpack_from(">I", content, at)
    return content[at + _HEAD : at + size]


def patched(content: bytes, name: bytes, at: int, new: bytes, track: int = 0) -> bytes:
    """Return `content` with other bytes at a place of the payload of the box `name`."""
    payload = payload_of(content, name, track)
    return replaced(content, name, payload[:at] + new + payload[at + len(new) :], track)


def with_steps(content: bytes, runs: Sequence[tuple[int, int]], track: int = 0) -> bytes:
    """Return `content` with a track whose samples last so: runs of (count, ticks)."""
    table = struct.pack(">II", 0, len(runs)) + b"".join(struct.pack(">II", *run) for run in runs)
    return replaced(content, b"stts", table, track)


def with_edits(content: bytes, edits: Sequence[tuple[int, int]], track: int = 0) -> bytes:
    """Return `content` with an edit list: (duration in the movie's time, place in the track's own)."""
    entries = b"".join(struct.pack(">IiI", duration, place, 1 << 16) for duration, place in edits)
    return replaced(content, b"elst", struct.pack(">II", 0, len(edits)) + entries, track)


def with_channels(content: bytes, labels: Sequence[int]) -> bytes:
    """Return `content` whose first `chan` names each channel by a label of Core Audio."""
    described = b"".join(struct.pack(">II3f", label, 0, 0.0, 0.0, 0.0) for label in labels)
    return replaced(content, b"chan", struct.pack(">IIII", 0, 0, 0, len(labels)) + described)


def with_empty_sample(path: Path, stream: int, number: int) -> bytes:
    """Return the file at `path` with a sample of no bytes: its bytes are cut out, its time stays."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams[stream]) if packet.size]
        at, size = packets[number].pos, packets[number].size
    content = path.read_bytes()
    assert at is not None
    sizes = bytearray(payload_of(content, b"stsz", stream))
    struct.pack_into(">I", sizes, 12 + 4 * number, 0)
    content = replaced(content, b"stsz", bytes(sizes), stream)
    for track in range(content.count(b"stco")):
        head, offsets = payload_of(content, b"stco", track)[:8], payload_of(content, b"stco", track)[8:]
        moved = (place - size * (place > at) for (place,) in struct.iter_unpack(">I", offsets))
        table = head + b"".join(struct.pack(">I", place) for place in moved)
        content = replaced(content, b"stco", table, track)
    media = content.index(b"mdat") - 4
    (whole,) = struct.unpack_from(">I", content, media)
    shrunk = bytearray(content)
    struct.pack_into(">I", shrunk, media, whole - size)
    return bytes(shrunk[:at] + shrunk[at + size :])


def _place(content: bytes, name: bytes, track: int) -> int:
    at = content.rindex(b"moov")
    for _ in range(track + 1):
        at = content.index(name, at + 4)
    return at - 4


def _parents(content: bytes, at: int) -> Iterator[int]:
    place, end = 0, len(content)
    while place < end:
        size, name = struct.unpack_from(">I4s", content, place)
        if not place < at < place + size:
            place += size
            continue
        yield place
        if name not in _CONTAINERS:
            return
        end, place = place + size, place + _HEAD + (_HEAD if name == b"stsd" else 0)
