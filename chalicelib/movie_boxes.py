"""Parses the boxes of a movie's index, one function for each type; a missing value is zero.

Layouts: ISO/IEC 14496-12, clause 8; a box's version decides the width of its times.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from operator import mul

from chalicelib.boxes import number, words

_HALF = 1 << 31
# Flags of trun: the fields that each sample of a run has.
_RUN_OFFSET, _RUN_FIRST_FLAGS, _RUN_DURATION, _RUN_TIME_OFFSET = 0x1, 0x4, 0x100, 0x800
_RUN_FIELDS = (_RUN_DURATION, 0x200, 0x400, _RUN_TIME_OFFSET)
# Flags of tfhd: the fields before the default duration, and their lengths in bytes.
_FRAGMENT_FIELDS = ((0x1, 8), (0x2, 4))
_FRAGMENT_DURATION = 0x8
_REFERENCE_BYTES = 12
_VISUAL_ENTRY_BYTES = 36


@dataclass(frozen=True, slots=True)
class Run:
    """The frames of one run: the sum of their durations, and the largest composition offset, in ticks."""

    ticks: int
    latest_offset: int


def time_header(content: bytes, gap_bytes: int) -> tuple[int, int]:
    """Return time scale (or track id) and duration of mvhd, mdhd or tkhd.

    `gap_bytes` is the distance between the two fields. A duration of all ones means unknown: zero here.
    """
    begin, length = (20, 8) if _is_long(content) else (12, 4)
    ticks = number(content, begin + gap_bytes, length)
    return number(content, begin, 4), 0 if ticks == (1 << 8 * length) - 1 else ticks


def shown_size(content: bytes) -> tuple[int, int]:
    """Return width and height in tkhd, rounded down from 16.16 fixed-point numbers."""
    begin = 88 if _is_long(content) else 76
    return number(content, begin, 4) >> 16, number(content, begin + 4, 4) >> 16


def coded_sizes(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield width and height of every entry in the stsd of a video track."""
    begin = 8
    while begin + _VISUAL_ENTRY_BYTES <= len(content):
        yield number(content, begin + 32, 2), number(content, begin + 34, 2)
        begin += max(number(content, begin, 4), _VISUAL_ENTRY_BYTES)


def summed_durations(content: bytes) -> int:
    """Return the sum of the durations in stts, whose entries are pairs of a count and a duration."""
    counts, ticks = _pairs(content)
    return sum(map(mul, counts, ticks))


def latest_offset(content: bytes) -> int:
    """Return the largest composition offset in ctts; the offsets are signed."""
    return _latest(_pairs(content)[1])


def summed_edits(content: bytes) -> int:
    """Return the sum of the durations in elst: edits may repeat a part of the media."""
    length = 8 if _is_long(content) else 4
    entry = 2 * length + 4
    count = min(number(content, 4, 4), (len(content) - 8) // entry)
    return sum(number(content, 8 + place * entry, length) for place in range(count))


def fragments_duration(content: bytes) -> int:
    """Return the duration in mehd, in ticks of the movie."""
    length = 8 if _is_long(content) else 4
    ticks = number(content, 4, length)
    return 0 if ticks == (1 << 8 * length) - 1 else ticks


def fragment_header(content: bytes) -> tuple[int, int | None]:
    """Return the track id in tfhd, and the default sample duration, or None where tfhd has none."""
    flags = _flags(content)
    begin = 8 + sum(length for flag, length in _FRAGMENT_FIELDS if flags & flag)
    return number(content, 4, 4), number(content, begin, 4) if flags & _FRAGMENT_DURATION else None


def fragment_time(content: bytes) -> int:
    """Return the start time of a track fragment in tfdt, in ticks."""
    return number(content, 4, 8 if _is_long(content) else 4)


def run(content: bytes, default_ticks: int) -> Run:
    """Return the run in trun; `default_ticks` is the duration of samples without their own."""
    flags, count = _flags(content), number(content, 4, 4)
    begin = 8 + 4 * bool(flags & _RUN_OFFSET) + 4 * bool(flags & _RUN_FIRST_FLAGS)
    fields = [one for one in _RUN_FIELDS if flags & one]
    if not fields:
        return Run(count * default_ticks, 0)
    table = words(content[begin : begin + 4 * len(fields) * count])
    columns = {one: table[place :: len(fields)] for place, one in enumerate(fields)}
    told = columns.get(_RUN_DURATION)
    ticks = count * default_ticks if told is None else sum(told)
    return Run(ticks, _latest(columns.get(_RUN_TIME_OFFSET, array("I"))))


def segment_index(content: bytes) -> tuple[int, Fraction]:
    """Return the track id of sidx, and the sum of its media segments in s; nested indices do not count."""
    begin = 30 if _is_long(content) else 22
    count = min(number(content, begin, 2), (len(content) - begin - 2) // _REFERENCE_BYTES)
    places = (begin + 2 + _REFERENCE_BYTES * place for place in range(count))
    ticks = sum(number(content, at + 4, 4) for at in places if number(content, at, 4) < _HALF)
    return number(content, 4, 4), Fraction(ticks, number(content, 8, 4) or 1)


def random_access(content: bytes) -> tuple[int, list[int]]:
    """Return the track id of tfra, and the start times of its fragments in ticks."""
    length = 8 if _is_long(content) else 4
    sizes = number(content, 8, 4)
    entry = 2 * length + sum(1 + (sizes >> shift & 3) for shift in (0, 2, 4))
    count = min(number(content, 12, 4), (len(content) - 16) // entry)
    return number(content, 4, 4), [number(content, 16 + place * entry, length) for place in range(count)]


def _is_long(content: bytes) -> bool:
    return content[:1] == b"\x01"


def _flags(content: bytes) -> int:
    return number(content, 1, 3)


def _pairs(content: bytes) -> tuple[array[int], array[int]]:
    table = words(content[8 : 8 + 8 * number(content, 4, 4)])
    even = table[: len(table) // 2 * 2]
    return even[0::2], even[1::2]


def _latest(offsets: array[int]) -> int:
    return max((one for one in offsets if one < _HALF), default=0)
