"""The source of a video: a file, or bytes that are stored elsewhere; and whose error it is when they fail."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol


class Remembering(Protocol):
    """Something that FFmpeg reads or writes, and that remembers why that failed."""

    def raise_failure(self) -> None:
        """Raise the first error, if there was any: FFmpeg may have taken it for the end of the file."""


class SeekableWriter(Remembering, Protocol):
    """A file that FFmpeg can write an MP4 to; its writes may fail."""

    def write(self, data: bytes, /) -> int:
        """Write `data` at the position, and return how many bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position, and return it in bytes from the start."""


class StoredVideo(Remembering, Protocol):
    """A video that is no file; its reads may fail."""

    @property
    def name(self) -> str:
        """Return what people call it."""

    def open(self) -> io.RawIOBase:
        """Return its bytes, at position 0; every call has a position of its own."""


Source = Path | StoredVideo


def open_bytes(source: Source) -> IO[bytes] | io.RawIOBase:
    """Return the bytes of `source`, at position 0."""
    return source.open("rb") if isinstance(source, Path) else source.open()


@contextmanager
def failure_first(stored: Remembering) -> Iterator[None]:
    """Raise what a read or write of `stored` raised, whatever FFmpeg and its callers made of it."""
    try:
        yield
    except Exception:
        stored.raise_failure()
        raise
    stored.raise_failure()
