"""Remote objects: files that are read by ranges, each block of them once, and never by mistake in part."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from chalicelib.contract.errors import StorageUnavailable

_BLOCK_BYTES = 256 * 1024
# Who reads on gets up to so many blocks at once: a request takes as long as the transfer of one or two.
_BLOCKS_AHEAD = 4

Fetch = Callable[[int, int], bytes]


class RemoteObject:
    """An object of `size_bytes` that `fetch(begin, end)` reads a range of; its blocks are kept on disk.

    Handles share the blocks; no more than `keep_bytes` of them are kept, those read last. Thread safe.
    `fetched_bytes` and `requests` count what was read. Closing it removes the blocks.
    """

    def __init__(self, name: str, size_bytes: int, fetch: Fetch, folder: Path, keep_bytes: int) -> None:
        self.name, self.size_bytes = name, size_bytes
        self.fetched_bytes = self.requests = 0
        self._fetch = fetch
        self._lock = threading.Lock()
        self._blocks = _Blocks(folder, max(keep_bytes // _BLOCK_BYTES, 2 * _BLOCKS_AHEAD))
        self._failure: BaseException | None = None

    def close(self) -> None:
        """Remove the blocks."""
        self._blocks.close()

    def open(self) -> IO[bytes]:
        """Return a new handle, at the beginning."""
        return cast("IO[bytes]", RemoteFile(self))

    def raise_failure(self) -> None:
        """Raise the first error of a read again: FFmpeg may have taken it for the end of the file."""
        if self._failure is not None:
            raise self._failure

    def block(self, number: int, ahead: int) -> bytes:
        """Return one block; where it has to be fetched, up to `ahead` missing blocks come with it."""
        with self._lock:
            self.raise_failure()
            content = self._blocks.get(number)
            if content is not None:
                return content
            try:
                return self._fetched(number, ahead)
            except BaseException as error:
                self._failure = error
                raise

    def has(self, number: int) -> bool:
        """Return whether a block need not be fetched."""
        with self._lock:
            return number in self._blocks

    def _fetched(self, number: int, ahead: int) -> bytes:
        last = -(-self.size_bytes // _BLOCK_BYTES)
        stop = number + 1
        while stop < min(number + ahead, last) and stop not in self._blocks:
            stop += 1
        begin, end = number * _BLOCK_BYTES, min(stop * _BLOCK_BYTES, self.size_bytes)
        content = self._fetch(begin, end)
        self.requests += 1
        self.fetched_bytes += len(content)
        if len(content) != end - begin:
            raise StorageUnavailable(f"{self.name}: {len(content)} of {end - begin} bytes arrived")
        for place in range(number, stop):
            offset = (place - number) * _BLOCK_BYTES
            self._blocks.put(place, content[offset : offset + _BLOCK_BYTES])
        return content[:_BLOCK_BYTES]


class RemoteFile(io.RawIOBase):
    """A handle on a remote object, with a place of its own."""

    def __init__(self, remote: RemoteObject) -> None:
        super().__init__()
        self._remote = remote
        self._place = 0
        # After a miss at the place where the last one ended, more is fetched at once.
        self._next_miss, self._ahead = -1, 1

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any place can be gone to."""
        return True

    def tell(self) -> int:
        """Return the place in bytes."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._remote.size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"there is no place {start + offset}")
        self._place = start + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all that are left if it is negative; none at the end."""
        left = max(self._remote.size_bytes - self._place, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted:
            part = self._part(wanted)
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as there is content; return how many bytes."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _part(self, wanted: int) -> bytes:
        number, offset = divmod(self._place, _BLOCK_BYTES)
        if not self._remote.has(number):
            self._ahead = min(2 * self._ahead, _BLOCKS_AHEAD) if number == self._next_miss else 1
            self._next_miss = number + self._ahead
        part = self._remote.block(number, self._ahead)[offset : offset + wanted]
        self._place += len(part)
        return part


class _Blocks:
    """A number of blocks in a file on disk; the one used longest ago makes room."""

    def __init__(self, folder: Path, slots: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by close
        self._slots = slots
        self._places: OrderedDict[int, tuple[int, int]] = OrderedDict()

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def get(self, number: int) -> bytes | None:
        if number not in self._places:
            return None
        self._places.move_to_end(number)
        slot, size = self._places[number]
        return os.pread(self._file.fileno(), size, slot * _BLOCK_BYTES)

    def put(self, number: int, content: bytes) -> None:
        slot = len(self._places)
        if number in self._places:
            slot, _ = self._places.pop(number)
        elif slot >= self._slots:
            _, (slot, _) = self._places.popitem(last=False)
        os.pwrite(self._file.fileno(), content, slot * _BLOCK_BYTES)
        self._places[number] = slot, len(content)

    def close(self) -> None:
        self._file.close()
