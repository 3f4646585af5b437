"""Color: what the numbers of a picture mean, and the display it was mastered on."""

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
# Names of one curve. Source: ISO/IEC 23091-2, table 3. What is not told is shown so too.
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
# Names of one gamut, and what is not told in SD and HD.
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
    """The four tags of a picture's colours; the numbers are those of ISO/IEC 23091-2, the range FFmpeg's."""

    range: int
    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def of(cls, frame: VideoFrame) -> Color:
        """Return the tags of `frame`; the name of a format tells its range where no tag does."""
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
        """Return whether black is 0."""
        return self.range == ColorRange.JPEG

    def named_like(self, first: Color, size: Size) -> Color | None:
        """Return these tags with the names that `first` has for the same things; None where they differ.

        Range and matrix may differ in truth: pictures can be converted exactly. What is not told is what
        players take it for: limited range, and by `size` the matrix of SD or HD.
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
        """Tell an encoder what its pictures mean."""
        context.color_range = self.range
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
        context.colorspace = self.matrix


def _are_one(groups: tuple[frozenset[int], ...], one: int, other: int) -> bool:
    return one == other or any({one, other} <= group for group in groups)


def _matrix(matrix: int, size: Size) -> int:
    """Return a matrix by one of its names, and one that is not told as players guess it."""
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
    """Return whether `frame` is Dolby Vision that only its own players can show.

    Such streams say nothing about their colours; those that others can show as HDR10, HLG or SDR do.
    """
    facts = side_data(frame)
    return SideDataType.DOVI_METADATA in facts and frame.color_trc == _UNSPECIFIED


def _mastering_display(numbers: memoryview) -> list[str]:
    """Return AVMasteringDisplayMetadata as x265 wants it.

    It holds ten fractions - x and y of red, green, blue and white, darkest, brightest - and two flags.
    """
    *flat, has_primaries, has_luminance = numbers[: 2 * _RATIONALS + 2].tolist()
    if not (has_primaries and has_luminance and all(flat[1::2])):
        return []
    values = [Fraction(flat[index], flat[index + 1]) for index in range(0, 2 * _RATIONALS, 2)]
    points = [round(value * _CHROMATICITY) for value in values[:8]]
    dark, bright = (round(value * _LUMINANCE) for value in values[8:])
    red, green, blue, white = (f"({x},{y})" for x, y in zip(points[::2], points[1::2], strict=True))
    return [f"master-display=G{green}B{blue}R{red}WP{white}L({bright},{dark})"]
