"""Parameter sets of H.264 rewritten, as encoders that tell less would have written them."""

from __future__ import annotations

import struct
from itertools import product

from tests.clips.mp4_edits import payload_of, replaced

_SET_AT = 8
_EMULATION, _EMULATED = b"\0\0\3", b"\0\0"
# How far the ranges of x264 go here: of vectors, of reordered and of kept frames.
_VECTORS, _FRAMES = range(6, 17), range(17)


def without_reorder_hint(content: bytes) -> bytes:
    """Return an MP4 whose first sequence parameter set, x264's, tells nothing of reordered frames.

    That stands at its end. Source: H.264, E.1.1, bitstream_restriction_flag and what follows it.
    """
    header = payload_of(content, b"avcC")
    (length,) = struct.unpack_from(">H", header, 6)
    plain = header[_SET_AT : _SET_AT + length].replace(_EMULATION, _EMULATED)
    bits = "".join(f"{byte:08b}" for byte in plain).rstrip("0").removesuffix("1")
    hints = (
        "1111" + 2 * _exponential(vectors) + _exponential(reordered) + _exponential(kept)
        for vectors, reordered, kept in product(_VECTORS, _FRAMES, _FRAMES)
    )
    hint = max((one for one in hints if bits.endswith(one)), key=len)
    shorter = bits.removesuffix(hint) + "01"
    shorter += "0" * (-len(shorter) % 8)
    written = bytes(int(shorter[at : at + 8], 2) for at in range(0, len(shorter), 8))
    for value in range(4):
        written = written.replace(bytes((0, 0, value)), bytes((0, 0, 3, value)))
    own = header[:6] + struct.pack(">H", len(written)) + written + header[_SET_AT + length :]
    return replaced(content, b"avcC", own)


def _exponential(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits
