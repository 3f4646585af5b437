"""The block cache: blocks of remote objects in a temporary file of limited size."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path

BLOCK_BYTES = 256 * 1024
_SLOTS_MIN = 4


class BlockCache(AbstractContextManager["BlockCache"]):
    """Keeps the most recently read blocks of any number of objects.

    The file is in `folder`, without a name, and has at most `size_bytes`, but at least 1 MiB. Safe to use
    from several threads. Raise ValueError after `close`, OSError on a full disk.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by close()
        self._slots = max(size_bytes // BLOCK_BYTES, _SLOTS_MIN)
        self._places: OrderedDict[Hashable, int] = OrderedDict()
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, name: Hashable) -> bool:
        with self._lock:
            return name in self._places

    def read(self, name: Hashable, offset: int, count: int) -> bytes | None:
        """Return `count` bytes of a block from `offset` on, None where the block is not cached."""
        with self._lock:
            if name not in self._places:
                return None
            self._places.move_to_end(name)
            self._file.seek(self._places[name] * BLOCK_BYTES + offset)
            return self._file.read(count)

    def write(self, name: Hashable, block: bytes) -> None:
        """Cache a block, in place of the least recently read one where the cache is full."""
        with self._lock:
            is_full = len(self._places) == self._slots
            slot = self._places.popitem(last=False)[1] if is_full else len(self._places)
            self._file.seek(slot * BLOCK_BYTES)
            self._file.write(block)
            self._file.flush()
            self._places[name] = slot

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
