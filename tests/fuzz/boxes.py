"""Mutate MP4 files by boxes: sizes, names, nesting, entry counts and time scales."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Mutation = Callable[[bytes, random.Random], bytes]

_HEAD_BYTES = 8
_WORD_BYTES = 4
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf", b"udta"}
# Offset of the number of entries behind the box's header.
_COUNTS = {
    **dict.fromkeys((b"stts", b"stsc", b"stco", b"co64", b"elst", b"ctts", b"stss", b"stsd", b"dref"), 4),
    b"stsz": 8,
    b"trun": 4,
}
_SCALED = {b"mvhd": 12, b"mdhd": 12}
_HUGE = (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x0FFFFFFF, 0x00FFFFFF)
_SMALL = (0, 1, 2, 7, 8, 9)


@dataclass(frozen=True)
class BoxPlace:
    """Bytes [begin, end) of a box, its name, and the boxes that contain it, the outermost first."""

    begin: int
    end: int
    name: bytes
    around: tuple[BoxPlace, ...] = ()


def boxes(content: bytes) -> list[BoxPlace]:
    """Return all boxes of a well-formed MP4 file, each before the boxes inside it."""
    return list(_boxes(content, 0, len(content), ()))


def _boxes(content: bytes, begin: int, end: int, around: tuple[BoxPlace, ...]) -> Iterator[BoxPlace]:
    while begin + _HEAD_BYTES <= end:
        size, name = struct.unpack_from(">I4s", content, begin)
        if not _HEAD_BYTES <= size <= end - begin:
            return
        place = BoxPlace(begin, begin + size, name, around)
        yield place
        if name in _PARENTS:
            yield from _boxes(content, begin + _HEAD_BYTES, place.end, (*around, place))
        begin += size


def resized(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with another size in the header of one box: none, one, huge, or a little off."""
    place = _any(content, chance)
    size = place.end - place.begin
    near = (size - 1, size + 1, size - 8, size + 8, size * 2)
    return _with_word(content, place.begin, chance.choice((*_SMALL, *_HUGE, *near)))


def renamed(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with one box renamed, to the name of another box or to an unknown one."""
    one, other = _any(content, chance), _any(content, chance)
    name = chance.choice((other.name, b"free", b"\0\0\0\0", b"uuid", b"meta", b"moof", b"mdat"))
    return content[: one.begin + _WORD_BYTES] + name + content[one.begin + _HEAD_BYTES :]


def removed(content: bytes, chance: random.Random) -> bytes:
    """Return `content` without one box."""
    return _replaced(content, _any(content, chance), b"", chance)


def doubled(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with one box twice or ten times."""
    place = _any(content, chance)
    return _replaced(content, place, content[place.begin : place.end] * chance.choice((2, 10)), chance)


def nested(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with one box in itself, many levels deep."""
    place = _any(content, chance)
    inner = content[place.begin : place.end]
    for _ in range(chance.choice((1, 2, 200))):
        inner = struct.pack(">I", len(inner) + _HEAD_BYTES) + place.name + inner
    return _replaced(content, place, inner, chance)


def moved(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with a copy of one box in the place of another."""
    one, other = _any(content, chance), _any(content, chance)
    return _replaced(content, other, content[one.begin : one.end], chance)


def counted(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with another number of entries in one table."""
    place = _one_of(content, chance, _COUNTS)
    if place is None:
        return content
    number = chance.choice((*_SMALL, *_HUGE, 29, 31, 1000))
    return _with_word(content, place.begin + _HEAD_BYTES + _COUNTS[place.name], number)


def refilled(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with another number anywhere in one table or header."""
    place = _any(content, chance, ends_at=4096)
    words = max(1, (place.end - place.begin) // _WORD_BYTES - 2)
    number = chance.choice((*_SMALL, *_HUGE, chance.randrange(2**16), chance.randrange(2**32)))
    return _with_word(content, place.begin + _HEAD_BYTES + _WORD_BYTES * chance.randrange(words), number)


def rescaled(content: bytes, chance: random.Random) -> bytes:
    """Return `content` with another time scale of the film or of a track: none, one, huge."""
    place = _one_of(content, chance, _SCALED)
    if place is None:
        return content
    number = chance.choice((0, 0, 1, 3, *_HUGE))
    return _with_word(content, place.begin + _HEAD_BYTES + _SCALED[place.name], number)


MUTATIONS: tuple[Mutation, ...] = (
    resized,
    renamed,
    removed,
    doubled,
    nested,
    moved,
    counted,
    counted,
    refilled,
    refilled,
    rescaled,
)


def mutated(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return names of one to three mutations, and `content` after them."""
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not boxes(content):
            break
        mutation = chance.choice(MUTATIONS)
        content = mutation(content, chance)
        done.append(mutation.__name__)
    return "+".join(done), content


def _any(content: bytes, chance: random.Random, ends_at: int | None = None) -> BoxPlace:
    found = boxes(content)
    small = [place for place in found if ends_at is None or place.end - place.begin <= ends_at]
    return chance.choice(small or found)


def _one_of(content: bytes, chance: random.Random, names: dict[bytes, int]) -> BoxPlace | None:
    found = [place for place in boxes(content) if place.name in names]
    return chance.choice(found) if found else None


def _with_word(content: bytes, offset: int, number: int) -> bytes:
    word = struct.pack(">I", number & 0xFFFFFFFF)
    return content[:offset] + word + content[offset + _WORD_BYTES :]


def _replaced(content: bytes, place: BoxPlace, fresh: bytes, chance: random.Random) -> bytes:
    """Return `content` with `fresh` for a box; sizes of boxes around it are corrected in 2 of 3 cases."""
    changed = content[: place.begin] + fresh + content[place.end :]
    if chance.randrange(3):
        grown = len(fresh) - (place.end - place.begin)
        for outer in place.around:
            changed = _with_word(changed, outer.begin, outer.end - outer.begin + grown)
    return changed
