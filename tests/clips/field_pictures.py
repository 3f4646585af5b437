"""H.264 whose frames are coded as two fields, pixel for pixel: no encoder at hand writes such."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.clips import Clip, draw, make_clip

_MAIN, _LEVEL_4 = 77, 40
_PCM_MACROBLOCK, _I_SLICES = 25, 7
_ORDER_BITS = 8
_IDR, _PLAIN = b"\x65", b"\x61"
_STOP = b"\x80"

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class Fields:
    """Ways to store fields: one packet for each, or for both of a frame; and the first of the two."""

    apart: bool = True
    bottom_first: bool = False


def write_fields(path: Path, clip: Clip, fields: Fields) -> Path:
    """Write `clip`, whose sides are multiples of 32, to `path`; a field lasts half as long as a frame."""
    template = make_clip(path.with_name("template.mp4"), clip)
    with av.open(str(template)) as whole, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(whole.streams.video[0], opaque=True)
        video.codec_context.extradata = _record(*clip.size)
        for number, pts in enumerate(clip.times):
            coded = _coded_fields(clip, pts, number, fields)
            packets = coded if fields.apart else [b"".join(coded)]
            for half, content in enumerate(packets):
                packet: Packet[Any] = Packet(content)
                packet.stream, packet.time_base = video, Fraction(1, 2) / clip.frame_rate
                packet.pts = packet.dts = 2 * number + half
                packet.duration = 2 // len(packets)
                packet.is_keyframe = half == 0
                container.mux_one(packet)
    return path


def _coded_fields(clip: Clip, pts: int, number: int, fields: Fields) -> list[bytes]:
    frame = VideoFrame.from_ndarray(draw(clip, pts), format="rgb24").reformat(format="yuv420p")
    width, height = clip.size
    # A zero could look like a start code.
    samples = np.clip(frame.to_ndarray(), 1, 254).reshape(-1)
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    ends = np.cumsum([rows * columns for rows, columns in sizes])[:-1]
    planes = [part.reshape(size) for part, size in zip(np.split(samples, ends), sizes, strict=True)]
    halves = (1, 0) if fields.bottom_first else (0, 1)
    units = [
        _field([plane[half::2] for plane in planes], number, half, is_first=half == halves[0])
        for half in halves
    ]
    return [struct.pack(">I", len(unit)) + unit for unit in units]


def _record(width: int, height: int) -> bytes:
    """Return the avcC box of such a track. Sources: ISO/IEC 14496-15, 5.3.3.1; H.264, 7.3.2.1.1, 7.3.2.2."""
    sequence = f"{_MAIN:08b}{0:08b}{_LEVEL_4:08b}" + "".join(map(_exponential, (0, 0, 0, _ORDER_BITS - 4, 1)))
    size = _exponential(width // 16 - 1) + _exponential(height // 32 - 1)
    sets = [
        b"\x67" + _bytes(sequence + "0" + size + "001000" + "1"),
        b"\x68" + _bytes("1" * 2 + "00" + "111" + "000" + "111" + "000" + "1"),
    ]
    head = bytes((1, _MAIN, 0, _LEVEL_4, 0xFF))
    return head + b"".join(bytes((mark,)) + _sized(one) for mark, one in zip((0xE1, 1), sets, strict=True))


def _field(planes: Sequence[Plane], number: int, half: int, *, is_first: bool) -> bytes:
    """Return one slice of uncompressed macroblocks. Source: H.264, 7.3.3 and 7.3.5."""
    numbers = "".join(map(_exponential, (0, _I_SLICES, 0)))
    order = (_exponential(number % 2) if is_first else "") + f"{half:0{_ORDER_BITS}b}"
    bits = f"{numbers}00001{half}{order}" + ("00" if is_first else "0") + _exponential(0)
    rows, columns = planes[0].shape[0] // 16, planes[0].shape[1] // 16
    content = b""
    for row, column in np.ndindex(rows, columns):
        content += _bytes(bits + _exponential(_PCM_MACROBLOCK))
        content += b"".join(
            _block(plane, row, column, 16 if not at else 8) for at, plane in enumerate(planes)
        )
        bits = ""
    return (_IDR if is_first else _PLAIN) + _guarded(content + _STOP)


def _block(plane: Plane, row: int, column: int, side: int) -> bytes:
    return plane[row * side : (row + 1) * side, column * side : (column + 1) * side].tobytes()


def _exponential(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _bytes(bits: str) -> bytes:
    whole = bits + "0" * (-len(bits) % 8)
    return bytes(int(whole[at : at + 8], 2) for at in range(0, len(whole), 8))


def _guarded(content: bytes) -> bytes:
    for value in range(4):
        content = content.replace(bytes((0, 0, value)), bytes((0, 0, 3, value)))
    return content


def _sized(unit: bytes) -> bytes:
    return struct.pack(">H", len(unit)) + unit
