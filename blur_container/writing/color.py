"""Color: the tags of range, primaries, transfer and matrix, and the HDR mastering display."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from av.sidedata.sidedata import Type as SideDataType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from blur_container.geometry import Size
from blur_container.reading.side_data import side_data

_HDR_TRANSFERS = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
_UNSPECIFIED = 2
# Tags of one transfer curve, with which players show unspecified video too. Source: ISO/IEC 23091-2, table 3.
_CURVES = (
    frozenset(
        {
            _UNSPECIFIED,
            int(ColorTrc.BT709),
            int(ColorTrc.SMPTE170M),
            int(ColorTrc.BT2020_10),
            int(ColorTrc.BT2020_12),
        }
    ),
)
_BT2020 = 9
# Tags of one gamut, each with unspecified, which players show so in SD or HD.
_GAMUTS = (
    frozenset({int(ColorPrimaries.SMPTE170M), int(ColorPrimaries.SMPTE240M), _UNSPECIFIED}),
    frozenset({int(ColorPrimaries.BT709), _UNSPECIFIED}),
    frozenset({int(ColorPrimaries.BT470BG), _UNSPECIFIED}),
)
_CONVERTIBLE = frozenset({int(Colorspace.ITU601), int(Colorspace.ITU709), int(Colorspace.SMPTE240M), _BT2020})
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_RATIONALS = 10
# The units of x265's master-display and of the SEI message. Source: H.265, D.3.28.
_CHROMATICITY = 50_000
_LUMINANCE = 10_000


@dataclass(frozen=True)
class Color:
    """The four colour tags of a frame; numbers of ISO/IEC 23091-2, the range FFmpeg's AVColorRange."""

    range: int
    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def of(cls, frame: VideoFrame) -> Color:
        """Return the tags of `frame`; where the range has no tag, the name of the pixel format implies it."""
        named = ColorRange.JPEG if frame.format.name.startswith("yuvj") else ColorRange.UNSPECIFIED
        return cls(
            int(frame.color_range) or int(named),
            int(frame.color_primaries),
            int(frame.color_trc),
            int(frame.colorspace),
        )

    @property
    def is_hdr(self) -> bool:
        """Return whether the transfer is PQ or HLG."""
        return self.transfer in _HDR_TRANSFERS

    @property
    def is_full_range(self) -> bool:
        """Return whether luma uses 0 to 255, with black at 0."""
        return self.range == ColorRange.JPEG

    def named_like(self, first: Color, size: Size) -> Color | None:
        """Return these tags with the names that `first` has for them; None where they differ too much.

        Range and matrix may differ, because frames can be converted exactly. Unspecified tags count as what
        players assume: limited range, and by `size` the matrix of SD or HD.
        """
        alike = _are_one(_CURVES, self.transfer, first.transfer) and _are_one(
            _GAMUTS, self.primaries, first.primaries
        )
        matrix, other = (_matrix(color.matrix, size) for color in (self, first))
        if not alike or (matrix != other and not {matrix, other} <= _CONVERTIBLE):
            return None
        if matrix != other and _UNSPECIFIED in (self.matrix, first.matrix):
            return None
        return replace(
            first,
            range=first.range if self.is_full_range == first.is_full_range else self.range,
            matrix=first.matrix if matrix == other else self.matrix,
        )

    def tag(self, context: VideoCodecContext) -> None:
        """Set the tags on an encoder."""
        context.color_range = self.range
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
        context.colorspace = self.matrix


def _are_one(groups: tuple[frozenset[int], ...], one: int, other: int) -> bool:
    return one == other or any({one, other} <= group for group in groups)


def _matrix(matrix: int, size: Size) -> int:
    """Return one tag for equal matrices, and for an unspecified one the tag that players assume."""
    if matrix == _UNSPECIFIED:
        is_hd = size.width >= _HD_WIDTH or size.height > _SD_HEIGHT
        return int(Colorspace.ITU709) if is_hd else int(Colorspace.ITU601)
    return int(Colorspace.ITU601) if matrix == Colorspace.SMPTE170M else matrix


BT709 = Color(int(ColorRange.MPEG), int(ColorPrimaries.BT709), int(ColorTrc.BT709), int(Colorspace.ITU709))


def mastering_parameters(frame: VideoFrame) -> list[str]:
    """Return the mastering display and light levels of `frame` as parameters of x265, if it has any."""
    facts = side_data(frame)
    display = facts.get(SideDataType.MASTERING_DISPLAY_METADATA)
    light = facts.get(SideDataType.CONTENT_LIGHT_LEVEL)
    parameters = [] if display is None else _mastering_display(memoryview(display).cast("B").cast("i"))
    if light is not None:
        most, average = memoryview(light).cast("B").cast("I")[:2]
        parameters.append(f"max-cll={most},{average}")
    return parameters


def is_undisplayable(frame: VideoFrame) -> bool:
    """Return whether `frame` is Dolby Vision that only Dolby Vision players can show.

    Such streams have no colour tags; those with an HDR10, HLG or SDR base layer do.
    """
    facts = side_data(frame)
    return SideDataType.DOVI_METADATA in facts and frame.color_trc == _UNSPECIFIED


def _mastering_display(numbers: memoryview) -> list[str]:
    """Return AVMasteringDisplayMetadata as a parameter of x265.

    It has ten fractions - x and y of red, green, blue and white, darkest, brightest - and two flags.
    """
    *flat, has_primaries, has_luminance = numbers[: 2 * _RATIONALS + 2].tolist()
    if not (has_primaries and has_luminance and all(flat[1::2])):
        return []
    values = [Fraction(flat[index], flat[index + 1]) for index in range(0, 2 * _RATIONALS, 2)]
    points = [round(value * _CHROMATICITY) for value in values[:8]]
    dark, bright = (round(value * _LUMINANCE) for value in values[8:])
    red, green, blue, white = (f"({x},{y})" for x, y in zip(points[::2], points[1::2], strict=True))
    return [f"master-display=G{green}B{blue}R{red}WP{white}L({bright},{dark})"]
