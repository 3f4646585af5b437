"""Range reading: a file object over an object in S3 that fetches blocks on demand, through a cache."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from blur_container.storage.block_cache import BLOCK_BYTES, BlockCache
from chalicelib.contract.errors import StorageUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# One request costs about 30 ms however small it is; more than this is often not needed after all.
AHEAD_BYTES = 4 * BLOCK_BYTES


class RemoteObject:
    """An object of `size_bytes` whose bytes [begin, end) `fetch` returns; safe to use from several threads.

    Blocks are kept in `cache`, which several objects may share. Sequential reads fetch up to `ahead_bytes` at
    once. `requests` and `fetched_bytes` count the fetches. After an error every read raises that error.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[int, int], bytes],
        size_bytes: int,
        cache: BlockCache,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.requests = 0
        self.fetched_bytes = 0
        self._fetch = fetch
        self._cache = cache
        self._ahead_blocks = max(ahead_bytes // BLOCK_BYTES, 1)
        self._changed = threading.Condition()
        self._fetching: set[int] = set()
        self._failure: Exception | None = None

    def open(self) -> RemoteHandle:
        """Return a handle with a position of its own, at 0."""
        return RemoteHandle(self)

    def raise_failure(self) -> None:
        """Raise the error of the first failed read, if any."""
        if self._failure is not None:
            raise self._failure

    def read(self, begin: int, count: int, run: SequentialRun) -> bytes:
        """Return up to `count` bytes from `begin` on, up to the end of a block; b"" at the end only.

        Raise the errors of `fetch`, StorageUnavailable where it returns too few or too many bytes.
        """
        count = min(count, self.size_bytes - begin, BLOCK_BYTES - begin % BLOCK_BYTES)
        if count <= 0:
            return b""
        index, offset = divmod(begin, BLOCK_BYTES)
        with self._changed:
            self._changed.wait_for(lambda: index not in self._fetching)
            self.raise_failure()
            kept = self._cache.read((self, index), offset, count)
            if kept is not None:
                return kept
            wanted = self._wanted(index, run.blocks_for(index, self._ahead_blocks))
            run.end = wanted.stop
            self._fetching.update(wanted)
        return self._fetched(wanted)[offset : offset + count]

    def _wanted(self, index: int, count: int) -> range:
        """Return the blocks to fetch: up to `count` from `index` on, until one is cached or being fetched."""
        blocks = -(-self.size_bytes // BLOCK_BYTES)
        stop = index + 1
        while (
            stop < min(index + count, blocks)
            and (self, stop) not in self._cache
            and stop not in self._fetching
        ):
            stop += 1
        return range(index, stop)

    def _fetched(self, wanted: range) -> bytes:
        """Fetch the blocks `wanted`, cache them, and return their bytes."""
        content = b""
        try:
            content = self._fetch_all(wanted.start * BLOCK_BYTES, wanted.stop * BLOCK_BYTES)
        except Exception as error:
            self._failure = self._failure or error
            raise
        finally:
            with self._changed:
                self._keep(wanted, content)
                self._fetching.difference_update(wanted)
                self._changed.notify_all()
        return content

    def _fetch_all(self, begin: int, end: int) -> bytes:
        end = min(end, self.size_bytes)
        with self._changed:
            self.requests += 1
        content = self._fetch(begin, end)
        if len(content) != end - begin:
            raise StorageUnavailable(f"{self.name}: {len(content)} of {end - begin} bytes arrived")
        return content

    def _keep(self, wanted: range, content: bytes) -> None:
        self.fetched_bytes += len(content)
        try:
            for place, index in enumerate(wanted):
                if block := content[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]:
                    self._cache.write((self, index), block)
        except (OSError, ValueError) as error:
            self._failure = self._failure or error
            raise


class SequentialRun:
    """The sequential reads of one handle: the end of the last fetch, and the size of the next."""

    def __init__(self) -> None:
        self.end = -1
        self._blocks = 1

    def blocks_for(self, index: int, most: int) -> int:
        """Return how many blocks to fetch from `index` on: twice as many each time in a sequential run."""
        self._blocks = min(2 * self._blocks, most) if index == self.end else 1
        return self._blocks


class RemoteHandle(io.RawIOBase):
    """A readable, seekable file object over a RemoteObject; a read may return fewer bytes than requested."""

    def __init__(self, remote: RemoteObject) -> None:
        self.name = remote.name
        self._remote = remote
        self._run = SequentialRun()
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position, which may be after the end, and return it; raise ValueError before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._remote.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the start of `buffer`; return how many bytes, 0 at the end only."""
        view = memoryview(buffer).cast("B")
        content = self._remote.read(self._position, len(view), self._run)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)
