"""Reads the boxes of an MP4 or MOV with few small reads; reads, bytes and boxes are limited.

Boxes: ISO/IEC 14496-12, clause 4.2.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Read = Callable[[int, int], bytes]

# The least that is read at once: covers the index of a fragment, or the boxes around a skipped table.
_WINDOW_BYTES = 16 * 1024
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 16
_TO_THE_END, _LONG = 0, 1
_BOXES_MAX = 100_000


class BudgetSpent(Exception):
    """Reading the index needs more reads, bytes or boxes than the limit allows."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, and the byte range [begin, end) of its content in the file."""

    kind: bytes
    begin: int
    end: int


class BoxReader:
    """Reads boxes of a file of `size_bytes` with `read(begin, end)`; raises BudgetSpent over a limit."""

    def __init__(self, read: Read, size_bytes: int, reads: int, read_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._read = read
        self._reads_left, self._bytes_left, self._boxes_left = reads, read_bytes, _BOXES_MAX
        self._window_begin, self._window = 0, b""

    def boxes(self, begin: int, end: int) -> Iterator[Box]:
        """Yield the boxes in [begin, end), the last one cut at `end`; stop where no box can be read."""
        while begin + _HEAD_BYTES <= end:
            head = self.take(begin, min(_LONG_HEAD_BYTES, end - begin))
            size, kind, head_bytes = int.from_bytes(head[:4], "big"), head[4:8], _HEAD_BYTES
            if size == _LONG:
                size, head_bytes = int.from_bytes(head[8:], "big"), _LONG_HEAD_BYTES
            elif size == _TO_THE_END:
                size = end - begin
            if size < head_bytes:
                return
            self._boxes_left -= 1
            if self._boxes_left < 0:
                raise BudgetSpent
            stop = min(begin + size, end)
            yield Box(kind, min(begin + head_bytes, stop), stop)
            begin = stop

    def take(self, begin: int, length: int) -> bytes:
        """Return `length` bytes starting at `begin`, fewer at the end of the file."""
        end = min(begin + length, self.size_bytes)
        if not self._window_begin <= begin <= end <= self._window_begin + len(self._window):
            stop = min(max(end, begin + _WINDOW_BYTES), self.size_bytes)
            self._reads_left -= 1
            self._bytes_left -= stop - begin
            if self._reads_left < 0 or self._bytes_left < 0:
                raise BudgetSpent
            self._window_begin, self._window = begin, self._read(begin, stop)
        offset = begin - self._window_begin
        return self._window[offset : offset + end - begin]

    def content(self, box: Box, bytes_max: int) -> bytes:
        """Return the content of `box`, at most `bytes_max` bytes."""
        return self.take(box.begin, min(box.end - box.begin, bytes_max))


def words(content: bytes) -> array[int]:
    """Return the content as big-endian 32-bit numbers; leftover bytes at its end are ignored."""
    numbers = array("I", content[: len(content) // 4 * 4])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def number(content: bytes, begin: int, length: int) -> int:
    """Return the big-endian number of `length` bytes at `begin`; zero where the content ends earlier."""
    part = content[begin : begin + length]
    return int.from_bytes(part, "big") if len(part) == length else 0
