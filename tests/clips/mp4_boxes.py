"""Movies box by box: an index that says whatever a test wants, true or not."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of that kind around `parts`."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def long_box(kind: bytes, content: bytes) -> bytes:
    """Return a box whose size is told in 64 bits."""
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


def endless_box(kind: bytes, content: bytes) -> bytes:
    """Return a box that goes on to the end of the file."""
    return struct.pack(">I4s", 0, kind) + content


def full(kind: bytes, *numbers: int, version: int = 0, flags: int = 0, rest: bytes = b"") -> bytes:
    """Return a box with version and flags, 32-bit numbers, and what follows them."""
    return box(kind, struct.pack(f">I{len(numbers)}I", version << 24 | flags, *numbers), rest)


def table(kind: bytes, *pairs: Sequence[int]) -> bytes:
    """Return stts or ctts with these pairs."""
    return full(kind, len(pairs), *(number for pair in pairs for number in pair))


@dataclass(frozen=True)
class Index:
    """What each box of a movie with one video track says; durations in seconds."""

    movie_s: int = 10
    track_s: int = 10
    media_s: int = 10
    samples: Sequence[Sequence[int]] = ((10, 1000),)
    offsets: Sequence[Sequence[int]] = ()
    edits: Sequence[int] = ()
    shown: tuple[int, int] = (640, 360)
    coded: tuple[int, int] = (640, 360)
    handler: bytes = b"vide"
    scale: int = 1000
    fragments: bytes = b""
    is_long: bool = False

    def to_bytes(self) -> bytes:
        """Return the box moov."""
        return box(b"moov", self._header(b"mvhd", self.movie_s), self.track(), self.fragments)

    def track(self) -> bytes:
        """Return the box trak."""
        head = struct.pack(">QQIIQ" if self.is_long else ">IIIII", 0, 0, 1, 0, self.track_s * self.scale)
        size = struct.pack(">52x2I", *(side << 16 for side in self.shown))
        entry = struct.pack(">I4s8x16x2H50x", 86, b"avc1", *self.coded)
        edits = b"".join(struct.pack(">IiI", one * self.scale, 0, 1 << 16) for one in self.edits)
        samples = box(
            b"stbl",
            full(b"stsd", 1, rest=entry),
            table(b"stts", *self.samples),
            table(b"ctts", *self.offsets) if self.offsets else b"",
        )
        return box(
            b"trak",
            full(b"tkhd", version=int(self.is_long), rest=head + size),
            box(b"edts", full(b"elst", len(self.edits), rest=edits)) if self.edits else b"",
            box(
                b"mdia",
                self._header(b"mdhd", self.media_s),
                full(b"hdlr", 0, rest=self.handler + bytes(13)),
                box(b"minf", samples),
            ),
        )

    def _header(self, kind: bytes, duration_s: int) -> bytes:
        times = struct.pack(">QQIQ" if self.is_long else ">IIII", 0, 0, self.scale, duration_s * self.scale)
        return full(kind, version=int(self.is_long), rest=times + bytes(80))


FTYP = box(b"ftyp", b"isom", bytes(4), b"isom")


def fragment(ticks: int, count: int = 1, begin: int | None = None, track: int = 1) -> bytes:
    """Return a fragment of `count` samples of so many ticks, at a time or after the one before."""
    time = b"" if begin is None else full(b"tfdt", begin)
    head = full(b"tfhd", track, ticks, flags=0x8)
    return box(b"moof", box(b"traf", head, time, full(b"trun", count))) + box(b"mdat", b"frames")


def movie(index: Index = Index(), *, index_first: bool = True) -> bytes:
    """Return a whole file, its index in front or at the end."""
    moov, mdat = index.to_bytes(), box(b"mdat", b"frames")
    return FTYP + (moov + mdat if index_first else mdat + moov)
