"""The block cache: what was read of remote objects, kept in a nameless file of a fixed size."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path

BLOCK_BYTES = 256 * 1024
_LEAST_SLOTS = 4


class BlockCache(AbstractContextManager["BlockCache"]):
    """Room for blocks of any number of objects; the one not read for longest makes room.

    The file lies in `folder` and has at most `size_bytes`, but no less than 1 MiB. Safe to use in several
    threads; once closed it raises ValueError. Raise OSError where the disk has no room.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by close()
        self._slots = max(size_bytes // BLOCK_BYTES, _LEAST_SLOTS)
        self._places: OrderedDict[Hashable, int] = OrderedDict()
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, name: Hashable) -> bool:
        with self._lock:
            return name in self._places

    def read(self, name: Hashable, offset: int, count: int) -> bytes | None:
        """Return `count` bytes of a block, None where it is not kept."""
        with self._lock:
            if name not in self._places:
                return None
            self._places.move_to_end(name)
            self._file.seek(self._places[name] * BLOCK_BYTES + offset)
            return self._file.read(count)

    def write(self, name: Hashable, block: bytes) -> None:
        """Keep a block."""
        with self._lock:
            is_full = len(self._places) == self._slots
            slot = self._places.popitem(last=False)[1] if is_full else len(self._places)
            self._file.seek(slot * BLOCK_BYTES)
            self._file.write(block)
            self._file.flush()
            self._places[name] = slot

    def close(self) -> None:
        """Give the room back."""
        self._file.close()
