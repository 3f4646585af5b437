"""Multipart writing: a file object that uploads its parts in order, and its head last."""

from __future__ import annotations

import io
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from chalicelib.contract.errors import OutputMismatch

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MEBIBYTE = 1024**2
# S3 quotas: all parts but the last have 5 MiB at least, and there are 10,000 at most.
_PART_MIN_BYTES = 5 * _MEBIBYTE
_PARTS_MAX = 10_000
_PART_BYTES = 8 * _MEBIBYTE
# After so many parts they get larger by the first size: 10,000 hold 430 GiB, and 10 GB need 16 MiB of memory.
_PARTS_OF_A_SIZE = 1000


class PartUpload(Protocol):
    """An upload in one step or in parts; raises the errors of the contract."""

    def put_whole(self, content: bytearray) -> None:
        """Write the object in one step."""

    def begin(self) -> None:
        """Start an upload in parts."""

    def put_part(self, number: int, content: bytearray) -> None:
        """Upload a part; numbers begin at 1 and may come in any order."""

    def complete(self) -> None:
        """Make the object of all parts visible."""

    def abort(self) -> None:
        """Delete the parts where possible; raise nothing."""


class MultipartWriter(io.RawIOBase, AbstractContextManager["MultipartWriter"]):
    """A writable, seekable file object whose bytes become one object when `complete()` is called.

    The first `head_bytes`, at least 5 MiB, stay in memory until then and may be overwritten; skipped bytes
    there are zero. After them it buffers one part, 8 MiB at first, and takes bytes at the end only: any other
    write raises OutputMismatch. After an error every call raises that error. Closing it before `complete()`
    leaves no object.
    """

    def __init__(self, upload: PartUpload, head_bytes: int) -> None:
        self._upload = upload
        self._head_bytes = max(head_bytes, _PART_MIN_BYTES)
        self._head, self._part = bytearray(), bytearray()
        self._part_start = self._head_bytes
        self._parts = 1  # The head is the first.
        self._position = 0
        self._failure: Exception | None = None
        self._is_complete = False

    def __enter__(self) -> MultipartWriter:  # noqa: PYI034 typing.Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    @property
    def size_bytes(self) -> int:
        """Return how many bytes were written."""
        is_past_head = len(self._head) == self._head_bytes
        return self._part_start + len(self._part) if is_past_head else len(self._head)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position and return it; only `write` checks whether it can be written."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the start")
        self._position = base + offset
        return self._position

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of `content` and return its length; raise the errors of the upload."""
        self._require_open()
        view = memoryview(content).cast("B")
        try:
            self._write(view)
        except Exception as error:
            self._failure = error
            raise
        return len(view)

    def complete(self) -> int:
        """Make the object visible and return its size in bytes; raise an earlier error, or the upload's."""
        self._require_open()
        size_bytes = self.size_bytes
        if self._parts == 1:
            self._upload.put_whole(self._head + self._part)
        else:
            if self._part:
                self._put_part()
            self._upload.put_part(1, self._head)
            self._upload.complete()
        self._is_complete = True
        return size_bytes

    def close(self) -> None:
        """Abort the upload unless it is complete."""
        if not self.closed and not self._is_complete and self._parts > 1:
            self._upload.abort()
        super().close()

    def raise_failure(self) -> None:
        """Raise the error of the first failed write, if any."""
        if self._failure is not None:
            raise self._failure

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("the writer is closed")
        self.raise_failure()

    def _write(self, view: memoryview) -> None:
        # FFmpeg skips the room for the index and fills it at the end.
        if self._position > self.size_bytes:
            if self._position > self._head_bytes:
                raise OutputMismatch(f"byte {self._position} cannot follow {self.size_bytes} bytes")
            self._head.extend(bytes(self._position - len(self._head)))
        room = max(self._head_bytes - self._position, 0)
        begin = self._position
        self._head[begin : begin + len(view[:room])] = view[:room]
        self._position += len(view[:room])
        rest = view[room:]
        while rest:
            count = self._write_part(rest)
            rest = rest[count:]

    def _write_part(self, view: memoryview) -> int:
        """Copy the start of `view` to the part, upload a full part, and return how many bytes were copied."""
        offset = self._position - self._part_start
        if offset < 0:
            raise OutputMismatch(f"byte {self._position} is uploaded already and cannot be overwritten")
        full = _PART_BYTES * (1 + self._parts // _PARTS_OF_A_SIZE)
        count = min(len(view), full - offset)
        self._part[offset : offset + count] = view[:count]
        self._position += count
        if len(self._part) == full:
            self._put_part()
        return count

    def _put_part(self) -> None:
        if self._parts == _PARTS_MAX:
            raise OutputMismatch(f"the output has more than {_PARTS_MAX} parts")
        if self._parts == 1:
            self._upload.begin()
        self._parts += 1
        part, self._part = self._part, bytearray()
        self._upload.put_part(self._parts, part)
        self._part_start += len(part)
