"""H.264's parameter sets, one by one and as MP4's avcC record, and the slice headers that need them."""

from __future__ import annotations

from dataclasses import dataclass

from blur_container.geometry import Size
from blur_container.reading.h264 import LENGTH_BYTES, SLICE_HEAD_BYTES, BitReader, NotSpliceable

_HEAD_BYTES = 7
_IDS_MAX = 32
_MACROBLOCK_PX = 16
_EXTENDED_SAR = 255
_MIN_NUMBER_BITS = 4
# These profiles state chroma format and depth; all others are 8-bit 4:2:0. Source: H.264, 7.3.2.1.1.
_HIGH_PROFILES = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)
# The same for the avcC record: ISO/IEC 14496-15, 5.3.3.1.2.
_RECORD_PROFILES = (100, 110, 122, 144)
_SETS_COUNT_BITS = 0x1F


def field_of(unit: memoryview, parameters: SequenceParameters) -> tuple[int, bool] | None:
    """Return the frame number of the slice `unit`, and whether it is of the bottom field.

    None if the slice is one of a whole frame. `parameters` are interlaced. Source: H.264, 7.3.3.
    """
    bits = BitReader(bytes(unit[1:SLICE_HEAD_BYTES]))
    bits.skip_numbers(3)
    frame_number = bits.take(parameters.frame_number_bits)
    return (frame_number, bool(bits.take(1))) if bits.take(1) else None


@dataclass(frozen=True)
class SequenceParameters:
    """The fields of a sequence parameter set that decide whether pictures of two sets fit one track."""

    set_id: int
    profile: int
    level: int
    chroma_format: int
    bit_depths: tuple[int, int]
    progressive: bool
    size: Size
    chroma_location: int
    reorder_frames: int | None
    frame_number_bits: int

    @classmethod
    def parse(cls, unit: bytes) -> SequenceParameters:
        """Parse the NAL unit `unit`; raise NotSpliceable where it cannot be read.

        Source: H.264, 7.3.2.1.1 and E.1.1.
        """
        bits = BitReader(unit[1:])
        profile, _, level = bits.take(8), bits.take(8), bits.take(8)
        set_id = bits.unsigned()
        chroma_format, bit_depths = _sample_formats(bits) if profile in _HIGH_PROFILES else (1, (8, 8))
        frame_number_bits = _MIN_NUMBER_BITS + bits.unsigned()
        _skip_picture_order(bits)
        size, progressive = _picture_size(bits, chroma_format)
        location, reorder = _video_usability(bits) if bits.take(1) else (0, None)
        return cls(
            set_id,
            profile,
            level,
            chroma_format,
            bit_depths,
            progressive,
            size,
            location,
            reorder,
            frame_number_bits,
        )


@dataclass(frozen=True)
class ParameterRecord:
    """The `avcC` box: profile, level and all parameter sets of a track. Source: ISO/IEC 14496-15, 5.3.3.1."""

    profile: int
    compatibility: int
    level: int
    sequence_sets: tuple[bytes, ...]
    picture_sets: tuple[bytes, ...]

    @classmethod
    def parse(cls, record: bytes) -> ParameterRecord:
        """Parse an avcC box; raise NotSpliceable where it is none, or NAL lengths have fewer than 4 bytes."""
        if len(record) < _HEAD_BYTES or record[0] != 1:
            raise NotSpliceable("the container does not store H.264 as MP4 does")
        if record[4] & 3 != LENGTH_BYTES - 1:
            raise NotSpliceable("NAL units have lengths of fewer than 4 bytes")
        sequence_sets, position = _sets(record, 6, record[5] & _SETS_COUNT_BITS)
        if position >= len(record):
            raise NotSpliceable("the avcC record is cut short")
        picture_sets, _ = _sets(record, position + 1, record[position])
        return cls(record[1], record[2], record[3], sequence_sets, picture_sets)

    def to_bytes(self) -> bytes:
        """Return the content of the avcC box."""
        head = bytes([1, self.profile, self.compatibility, self.level, 0xFC | LENGTH_BYTES - 1])
        sequence = bytes([0xE0 | len(self.sequence_sets)]) + b"".join(map(_sized, self.sequence_sets))
        picture = bytes([len(self.picture_sets)]) + b"".join(map(_sized, self.picture_sets))
        # 4:2:0 with 8 bits, and no extension sets: only such streams are joined.
        formats = bytes([0xFC | 1, 0xF8, 0xF8, 0]) if self.profile in _RECORD_PROFILES else b""
        return head + sequence + picture + formats

    def joined(self, other: ParameterRecord) -> ParameterRecord:
        """Return one record with the sets of both, for a track with pictures of both."""
        return ParameterRecord(
            profile=max(self.profile, other.profile),
            # A constraint holds for the track only where all its sets keep it.
            compatibility=self.compatibility & other.compatibility,
            level=max(self.level, other.level),
            sequence_sets=self.sequence_sets + other.sequence_sets,
            picture_sets=self.picture_sets + other.picture_sets,
        )

    def free_id(self) -> int:
        """Return the lowest id that no parameter set has; raise NotSpliceable if all are taken."""
        taken = {SequenceParameters.parse(unit).set_id for unit in self.sequence_sets}
        taken |= {BitReader(unit[1:]).unsigned() for unit in self.picture_sets}
        free = next((number for number in range(_IDS_MAX) if number not in taken), None)
        if free is None:
            raise NotSpliceable("all ids of parameter sets are taken")
        return free


def _sets(record: bytes, position: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """Return the `count` parameter sets that begin at `position`, and the position after them."""
    found = []
    for _ in range(count):
        begin = position + 2
        position = begin + int.from_bytes(record[position:begin], "big")
        if not begin < position <= len(record):
            raise NotSpliceable("the avcC record is cut short")
        found.append(record[begin:position])
    return tuple(found), position


def _sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(2, "big") + unit


def _sample_formats(bits: BitReader) -> tuple[int, tuple[int, int]]:
    chroma_format = bits.unsigned()
    if chroma_format == 3:  # noqa: PLR2004 4:4:4; three planes may be coded apart
        bits.take(1)
    depths = 8 + bits.unsigned(), 8 + bits.unsigned()
    bits.take(1)
    if bits.take(1):
        raise NotSpliceable("scaling matrices are not read")
    return chroma_format, depths


def _skip_picture_order(bits: BitReader) -> None:
    order_type = bits.unsigned()
    if order_type == 0:
        bits.skip_numbers(1)
    elif order_type == 1:
        bits.take(1)
        bits.skip_numbers(2)
        bits.skip_numbers(bits.unsigned())
    bits.skip_numbers(1)
    bits.take(1)


def _picture_size(bits: BitReader, chroma_format: int) -> tuple[Size, bool]:
    columns, rows = bits.unsigned() + 1, bits.unsigned() + 1
    progressive = bool(bits.take(1))
    if not progressive:
        rows *= 2
        bits.take(1)
    bits.take(1)
    left, right, top, bottom = (bits.unsigned() for _ in range(4)) if bits.take(1) else (0, 0, 0, 0)
    if left or top:
        raise NotSpliceable("the picture is cropped at its left or top")
    across, down = (2 if chroma_format in (1, 2) else 1), (2 if chroma_format == 1 else 1)
    width = columns * _MACROBLOCK_PX - right * across
    height = rows * _MACROBLOCK_PX - bottom * down * (1 if progressive else 2)
    return Size(width, height), progressive


def _video_usability(bits: BitReader) -> tuple[int, int | None]:
    """Return the position of chroma samples and how many frames are reordered, None if not stated."""
    if bits.take(1) and bits.take(8) == _EXTENDED_SAR:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    locations = (bits.unsigned(), bits.unsigned()) if bits.take(1) else (0, 0)
    if bits.take(1):
        bits.take(65)
    if _skip_hypothetical_decoder(bits) + _skip_hypothetical_decoder(bits):
        bits.take(1)
    bits.take(1)
    if not bits.take(1):
        return max(locations), None
    bits.take(1)
    bits.skip_numbers(4)
    return max(locations), bits.unsigned()


def _skip_hypothetical_decoder(bits: BitReader) -> bool:
    """Skip the parameters of the hypothetical reference decoder; return whether there were any."""
    if not bits.take(1):
        return False
    count = bits.unsigned() + 1
    bits.take(8)
    for _ in range(count):
        bits.skip_numbers(2)
        bits.take(1)
    bits.take(20)
    return True
