"""Color: what the numbers of a picture mean, and the display it was mastered on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.sidedata.sidedata import Type as SideDataType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

_HDR_TRANSFERS = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
_UNSPECIFIED = 2
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
        """Return the tags of `frame`."""
        full = frame.format.name.startswith("yuvj")
        return cls(
            int(ColorRange.JPEG) if full else int(frame.color_range),
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

    def tag(self, context: VideoCodecContext) -> None:
        """Tell an encoder what its pictures mean."""
        context.color_range = self.range
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
        context.colorspace = self.matrix


BT709 = Color(int(ColorRange.MPEG), int(ColorPrimaries.BT709), int(ColorTrc.BT709), int(Colorspace.ITU709))


def mastering_parameters(frame: VideoFrame) -> list[str]:
    """Return the mastering display and light levels of `frame` as parameters of x265, if it has any."""
    facts = cast("Mapping[SideDataType, Any]", frame.side_data)
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
    facts = cast("Mapping[SideDataType, Any]", frame.side_data)
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
