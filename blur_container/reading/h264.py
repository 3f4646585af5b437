"""H.264 as MP4 stores it: NAL units with 4-byte lengths, their bits, and SEI messages."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

LENGTH_BYTES = 4
SLICE_HEAD_BYTES = 16  # Enough for the first three numbers of a slice header.
_TYPE_BITS = 0x1F
# SEI messages with user data, and the beginnings of harmless ones, which a full render keeps too: closed
# captions, and the name of the encoder x264.
_REGISTERED, _UNREGISTERED = 4, 5
_HARMLESS_MESSAGES = {
    _REGISTERED: b"\xb5\x00\x31GA94",
    _UNREGISTERED: bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),
}
_TRAILING_BIT = 0x80
_CONTINUED = 0xFF  # The number continues in the next byte.


class NotSpliceable(ValueError):
    """A stream cannot be joined with encoded pictures; the message says why."""


class Nal(IntEnum):
    """The known types of NAL units. Source: H.264, table 7-1."""

    SLICE = 1
    IDR = 5
    SEI = 6
    SPS = 7
    PPS = 8
    DELIMITER = 9
    FILLER = 12


def nal_units(packet: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield type and bytes, header included, of each unit in `packet`; lengths must have 4 bytes.

    Raise NotSpliceable where a length does not fit.
    """
    position = 0
    while position < len(packet):
        begin = position + LENGTH_BYTES
        position = begin + int.from_bytes(packet[position:begin], "big")
        if not begin < position <= len(packet):
            raise NotSpliceable("a NAL unit does not fit its packet")
        yield packet[begin] & _TYPE_BITS, packet[begin:position]


def picture_set_ids(packet: memoryview) -> set[int]:
    """Return the ids of the picture parameter sets that slices of `packet` refer to. Source: H.264, 7.3.3."""
    ids = set()
    for kind, unit in nal_units(packet):
        if kind in (Nal.SLICE, Nal.IDR):
            bits = BitReader(bytes(unit[1:SLICE_HEAD_BYTES]))
            bits.skip_numbers(2)
            ids.add(bits.unsigned())
    return ids


def require_no_user_data(sei: bytes) -> None:
    """Raise NotSpliceable where an SEI unit, without its header byte, carries user data.

    Cameras write places and serial numbers there. Source: H.264, 7.3.2.3.1 and D.1.6.
    """
    rest = _without_emulation(sei)
    while len(rest) > 1 and rest[0] != _TRAILING_BIT:
        kind, rest = _sei_number(rest)
        length, rest = _sei_number(rest)
        harmless = _HARMLESS_MESSAGES.get(kind)
        if harmless is not None and not rest.startswith(harmless):
            raise NotSpliceable("the packets carry user data")
        rest = rest[length:]


def _sei_number(payload: bytes) -> tuple[int, bytes]:
    """Return the number at the start of `payload`, a sum of bytes up to one below 255, and the rest."""
    last = next((place for place, byte in enumerate(payload) if byte != _CONTINUED), len(payload) - 1)
    return sum(payload[: last + 1]), payload[last + 1 :]


def _without_emulation(payload: bytes) -> bytes:
    """Return `payload` without the 3 that an encoder inserts where bytes look like a start code."""
    return payload.replace(b"\0\0\3", b"\0\0")


class BitReader:
    """Reads the bits of a NAL unit's payload."""

    def __init__(self, payload: bytes) -> None:
        raw = _without_emulation(payload)
        self._left = len(raw) * 8
        self._number = int.from_bytes(raw, "big")

    def take(self, count: int) -> int:
        """Return the next `count` bits; raise NotSpliceable where there are fewer."""
        self._left -= count
        if self._left < 0:
            raise NotSpliceable("a parameter set is cut short")
        return self._number >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """Return an Exp-Golomb number. Source: H.264, 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_numbers(self, count: int) -> None:
        """Skip `count` Exp-Golomb numbers."""
        # Signed and unsigned numbers have the same length.
        for _ in range(count):
            self.unsigned()
