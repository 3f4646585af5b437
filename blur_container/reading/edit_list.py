"""Edit lists: whether an edit of an MP4 has length zero, which FFmpeg reads otherwise than players.

An edit of length zero ends with its track, as in fragmented files; FFmpeg takes it for one that shows
nothing. Source: ISO/IEC 14496-12, 8.6.6.
"""

from __future__ import annotations

import io
import re
from typing import IO

from blur_container.reading.source import Source, open_bytes

_MOOV_MAX_BYTES = 64 * 1024**2
_BOXES_MAX = 10_000
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 16
# The box elst in its box edts: version, flags, number of edits, and the length of the first one.
_EDITS = re.compile(rb"edts.{4}elst(?P<version>.).{3}.{4}(?P<length>.{8})", re.DOTALL)


def has_edit_of_length_zero(source: Source) -> bool:
    """Return whether an edit list of the MP4 in `source` begins with an edit whose length is zero."""
    with open_bytes(source) as file:
        moov = _moov(file)
    return any(
        not any(found["length"] if found["version"] == b"\x01" else found["length"][:4])
        for found in _EDITS.finditer(moov)
    )


def _moov(file: IO[bytes] | io.RawIOBase) -> bytes:
    """Return the content of the first moov box, or nothing where there is none."""
    begin = 0
    for _ in range(_BOXES_MAX):
        file.seek(begin)
        head = _read(file, _LONG_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            break
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size
        if head[4:8] == b"moov":
            file.seek(begin)
            return _read(file, min(size or _MOOV_MAX_BYTES, _MOOV_MAX_BYTES))
        if size < _HEAD_BYTES:
            break
        begin += size
    return b""


def _read(file: IO[bytes] | io.RawIOBase, count: int) -> bytes:
    """Return the next `count` bytes, or as many as are left: a read from storage may return fewer."""
    parts: list[bytes] = []
    while count > 0 and (part := file.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
