"""The source of a video: a path, or an object in storage whose read errors go before FFmpeg's own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol


class RemembersFailure(Protocol):
    """A file object that FFmpeg reads or writes, and that keeps its first error."""

    def raise_failure(self) -> None:
        """Raise the first error, if any: FFmpeg may have taken it for the end of the file."""


class SeekableWriter(RemembersFailure, Protocol):
    """A file object that FFmpeg can write an MP4 to; its writes may fail."""

    def write(self, data: bytes, /) -> int:
        """Write `data` at the position and return its bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position and return it, in bytes from the start."""


class StoredVideo(RemembersFailure, Protocol):
    """A video in storage, not on disk; its reads may fail."""

    @property
    def name(self) -> str:
        """Return a name for error messages."""

    def open(self) -> io.RawIOBase:
        """Return a file object at position 0; each call returns a new one."""


Source = Path | StoredVideo


def open_bytes(source: Source) -> IO[bytes] | io.RawIOBase:
    """Return a file object for `source`, at position 0."""
    return source.open("rb") if isinstance(source, Path) else source.open()


@contextmanager
def failure_first(stored: RemembersFailure) -> Iterator[None]:
    """Raise the first error of `stored` at the end of the context, in place of FFmpeg's error or none."""
    try:
        yield
    except Exception:
        stored.raise_failure()
        raise
    stored.raise_failure()
