"""H.264 in MP4: units, parameter sets and the record that holds them."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import av
import pytest
from av.codec.context import Flags
from hypothesis import given
from hypothesis import strategies as st

from blur_container.geometry import Size
from blur_container.reading.h264 import Nal, NotSpliceable, nal_units, picture_set_ids
from blur_container.reading.h264_parameters import ParameterRecord, SequenceParameters

_SIZE = Size(320, 180)


def record_of(parameters: str = "", pixel_format: str = "yuv420p", size: Size = _SIZE) -> bytes:
    """Return the record that x264 writes."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = size.width, size.height, pixel_format
    context.time_base = Fraction(1, 30)
    context.flags |= Flags.global_header
    context.options = {"x264-params": f"annexb=0:{parameters}", "preset": "veryfast"}
    context.open()
    return context.extradata or b""


def sequence(parameters: str = "", pixel_format: str = "yuv420p", size: Size = _SIZE) -> SequenceParameters:
    """Return what x264's sequence parameter set says."""
    record = ParameterRecord.parse(record_of(parameters, pixel_format, size))
    return SequenceParameters.parse(record.sequence_sets[0])


def test_empty_packet_has_no_unit() -> None:
    """A packet without bytes has no NAL unit."""
    assert list(nal_units(memoryview(b""))) == []


def test_units_follow_their_lengths() -> None:
    """Type and bytes of each, the header included."""
    packet = memoryview(b"\0\0\0\x02\x65\xaa\0\0\0\x01\x41")

    assert [(kind, bytes(unit)) for kind, unit in nal_units(packet)] == [
        (Nal.IDR, b"\x65\xaa"),
        (Nal.SLICE, b"\x41"),
    ]


@pytest.mark.parametrize("packet", [b"\0\0\0\x05\x65", b"\0\0", b"\0\0\0\0", b"\0\0\0\x01\x65\0"])
def test_unit_that_does_not_fit_is_refused(packet: bytes) -> None:
    """A length past the end is another form of H.264, or damage."""
    with pytest.raises(NotSpliceable):
        list(nal_units(memoryview(packet)))


def test_slice_names_its_picture_parameter_set() -> None:
    """After the first macroblock (0) and the slice type (7): set 3."""
    # Exp-Golomb: 1, 0001000, 00100, padded.
    packet = b"\0\0\0\x04\x65" + (0b1_0001000_00100_000_0000_0000).to_bytes(3, "big")

    assert picture_set_ids(memoryview(packet)) == {3}


@pytest.mark.parametrize("size", [Size(320, 180), Size(1920, 1080), Size(318, 178), Size(16, 16)])
def test_size_is_that_of_the_picture_not_of_its_macroblocks(size: Size) -> None:
    """The frame size takes the cropping into account."""
    assert sequence(size=size).size == size


@pytest.mark.parametrize("number", [0, 1, 7, 31])
def test_id_is_read(number: int) -> None:
    """The parsed id equals the one given to x264."""
    assert sequence(f"sps-id={number}").set_id == number


@pytest.mark.parametrize(
    ("parameters", "reorder"), [("bframes=0", 0), ("bframes=3:b-pyramid=none", 1), ("bframes=3", 2)]
)
def test_reordering_is_read(parameters: str, reorder: int) -> None:
    """The reorder depth is read from the end of the sequence parameter set."""
    assert sequence(parameters).reorder_frames == reorder


@pytest.mark.parametrize(
    "parameters",
    [
        "sar=4/3",
        "sar=7/5",
        "overscan=show",
        "fullrange=on:colorprim=bt709:transfer=bt709:colormatrix=bt709",
        "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500",
    ],
)
def test_optional_parts_are_passed_over(parameters: str) -> None:
    """Shape, overscan, colours, timing and buffer models stand before the reordering."""
    assert sequence(f"bframes=3:{parameters}").reorder_frames == 2


def test_chroma_location_is_read() -> None:
    """The chroma sample location is read."""
    assert sequence("chromaloc=2").chroma_location == 2


def test_interlaced_pictures_are_told_apart() -> None:
    """Two fields a frame, and the same size."""
    assert (sequence("interlaced=1").progressive, sequence().progressive) == (False, True)


@pytest.mark.parametrize(
    ("pixel_format", "chroma_format", "depth"), [("yuv420p", 1, 8), ("yuv422p", 2, 8), ("yuv420p10le", 1, 10)]
)
def test_samples_are_told_apart(pixel_format: str, chroma_format: int, depth: int) -> None:
    """Chroma format and bit depth are read."""
    found = sequence(pixel_format=pixel_format)

    assert (found.chroma_format, found.bit_depths) == (chroma_format, (depth, depth))


def test_record_comes_back_as_it_was() -> None:
    """Reading and writing changes no byte of what x264 wrote."""
    assert ParameterRecord.parse(record_of()).to_bytes() == record_of()


def test_joined_record_holds_both_and_the_highest_demands() -> None:
    """A player that can play the record can play either kind."""
    small = ParameterRecord.parse(record_of("level=30"))
    large = ParameterRecord.parse(record_of("level=51:sps-id=1"))

    joined = ParameterRecord.parse(small.joined(large).to_bytes())

    assert (joined.level, len(joined.sequence_sets), len(joined.picture_sets)) == (51, 2, 2)
    assert joined.compatibility == small.compatibility & large.compatibility


@pytest.mark.parametrize(("taken", "free"), [(0, 1), (1, 0), (5, 0)])
def test_free_id_is_that_of_no_set(taken: int, free: int) -> None:
    """A free id is used by neither a sequence nor a picture parameter set."""
    assert ParameterRecord.parse(record_of(f"sps-id={taken}")).free_id() == free


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\0\0\x01\x67\x64\0\x1f", id="start codes"),
        pytest.param(record_of()[:4] + b"\xfd" + record_of()[5:], id="2-byte lengths"),
        pytest.param(record_of()[:12], id="cut short"),
    ],
)
def test_other_records_are_refused(record: bytes) -> None:
    """A decoder configuration record of another form is refused."""
    with pytest.raises(NotSpliceable):
        ParameterRecord.parse(record)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Nothing but UnfitStream comes out of a broken parameter set."""
    with suppress(NotSpliceable):
        assert SequenceParameters.parse(b"\x67" + content).set_id >= 0
