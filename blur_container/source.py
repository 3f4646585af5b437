"""The source of a video: a file, or bytes that are stored elsewhere and read by ranges."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Protocol


class StoredVideo(Protocol):
    """A video that is no file; its reads may fail."""

    @property
    def name(self) -> str:
        """Return what people call it."""

    def open(self) -> io.RawIOBase:
        """Return its bytes, at position 0; every call has a position of its own."""

    def raise_failure(self) -> None:
        """Raise what the first failed read raised: FFmpeg may have taken it for the end of the file."""


Source = Path | StoredVideo


def open_bytes(source: Source) -> IO[bytes] | io.RawIOBase:
    """Return the bytes of `source`, at position 0."""
    return source.open("rb") if isinstance(source, Path) else source.open()
