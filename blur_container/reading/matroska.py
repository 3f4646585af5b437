"""Matroska: check that a file has all the bytes of its segment, which FFmpeg does not."""

from __future__ import annotations

import os

from blur_container.reading.source import Source, open_bytes

EBML_MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"
_LENGTH_MAX_BYTES = 8
_HEAD_BYTES = 4096


def is_cut_short(source: Source) -> bool:
    """Return whether a Matroska file ends before its segment; False for other files and live recordings."""
    with open_bytes(source) as file:
        head = file.read(_HEAD_BYTES) or b""
        size_bytes = file.seek(0, os.SEEK_END)
    if not head.startswith(EBML_MAGIC):
        return False
    header = _element_end(head, len(EBML_MAGIC))
    if header is None or head[header : header + len(_SEGMENT_ID)] != _SEGMENT_ID:
        return False
    segment_end = _element_end(head, header + len(_SEGMENT_ID))
    return segment_end is not None and size_bytes < segment_end


def _element_end(head: bytes, position: int) -> int | None:
    """Return the end of the element whose length is at `position`; None where the length is unknown.

    A length has 1 to 8 bytes; the leading zero bits of the first byte count the bytes that follow. All ones
    mean unknown. Source: RFC 8794, section 4.
    """
    if position >= len(head):
        return None
    count = _LENGTH_MAX_BYTES + 1 - head[position].bit_length()
    if count > _LENGTH_MAX_BYTES or position + count > len(head):
        return None
    unknown = (1 << 7 * count) - 1
    length = int.from_bytes(head[position : position + count], "big") & unknown
    return None if length == unknown else position + count + length
