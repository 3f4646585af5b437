"""Output format: the codec, pixel format, size, colours and fields that a source is encoded with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from blur_container.geometry import Rect, Size
from blur_container.reading.clean_aperture import clean_aperture, cut_size, inner
from blur_container.reading.side_data import display_matrix
from blur_container.reading.timestamps import time_base
from blur_container.reading.video import IS_PYAV_18
from blur_container.settings import OutputCodec, RenderSettings
from blur_container.writing.color import BT709, Color, is_undisplayable
from chalicelib.contract.errors import UnsupportedVideo

_PLANAR_420 = ("yuv420p", "yuvj420p")
_DEEP_420 = "yuv420p10le"
_BYTE_BITS = 8
_DEEP_BITS = 10
_ALPHA_COMPONENTS = (2, 4)
# FFmpeg's AVFieldOrder: 0 is unknown, 1 progressive, the others name the first field.
_PROGRESSIVE = 1
_DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class OutputFormat:
    """The format of the encoder's frames; `changes` says in words how the source differed."""

    encoder: str
    pixel_format: str
    size: Size
    color: Color
    field_order: int = 0
    changes: tuple[str, ...] = ()
    # The shown part of the coded frames; None for the whole frame.
    aperture: Rect | None = None

    @property
    def depth(self) -> int:
        """Return the bits per sample."""
        return _DEEP_BITS if self.pixel_format == _DEEP_420 else _BYTE_BITS

    @property
    def is_interlaced(self) -> bool:
        """Return whether frames have two fields each."""
        return self.field_order > _PROGRESSIVE


def output_format_of(first: VideoFrame, stream: VideoStream, codec: OutputCodec) -> OutputFormat:
    """Return the format to encode `stream` with, whose first frame is `first`.

    10-bit and HDR video stays so, as HEVC Main 10. For H.264, by setting or because of fields, HDR is
    tone-mapped. Raise UnsupportedVideo where neither shows the source right.
    """
    _require_displayable(first, stream)
    field_order = _field_order(first, stream)
    deep = codec is OutputCodec.AUTO and _depth(first.format) > _BYTE_BITS and field_order <= _PROGRESSIVE
    flattened = (
        Color.of(first).is_hdr
        and not deep
        and (codec is OutputCodec.H264 or _depth(first.format) > _BYTE_BITS)
    )
    if flattened and not IS_PYAV_18:
        raise UnsupportedVideo("tone mapping HDR needs PyAV 18 and with it Python 3.11 or later")
    rows = 4 if field_order > _PROGRESSIVE else 2
    aperture = clean_aperture(stream)
    shown = inner(aperture, rows) if aperture else None
    cut, name = cut_size(shown, Size(first.width, first.height)), first.format.name
    output_format = OutputFormat(
        encoder="libx265" if deep else "libx264",
        pixel_format=_DEEP_420 if deep else (name if name in _PLANAR_420 else "yuv420p"),
        # 4:2:0 has no half sample of chroma, and each field needs whole ones.
        size=Size(cut.width + cut.width % 2, -(-cut.height // rows) * rows),
        color=BT709 if flattened else _color(first),
        field_order=field_order,
        aperture=shown,
    )
    return replace(output_format, changes=tuple(_changes(first, output_format)))


def _require_displayable(first: VideoFrame, stream: VideoStream) -> None:
    if is_undisplayable(first):
        raise UnsupportedVideo("this Dolby Vision has no base layer that other players can show")
    if stream.codec_context.name == "hevc" and first.interlaced_frame:
        raise UnsupportedVideo("HEVC that codes each field as a picture is not rendered")


def _field_order(first: VideoFrame, stream: VideoStream) -> int:
    """Return FFmpeg's AVFieldOrder of the output; raise UnsupportedVideo where PyAV 17 cannot write it."""
    if not IS_PYAV_18:
        if first.interlaced_frame:
            raise UnsupportedVideo("interlaced video needs PyAV 18 and with it Python 3.11 or later")
        return _PROGRESSIVE
    order = stream.codec_context.field_order
    # The container may not say; top field first is the commoner order, and each frame has its own.
    return order if order > _PROGRESSIVE or not first.interlaced_frame else _PROGRESSIVE + 1


def _depth(pixels: VideoFormat) -> int:
    return max(component.bits for component in pixels.components)


def _color(first: VideoFrame) -> Color:
    """Return the colour tags of the output without tone mapping; RGB becomes limited-range BT.709."""
    color = Color.of(first)
    if not first.format.is_rgb:
        return color
    return replace(color, range=int(ColorRange.MPEG), matrix=int(Colorspace.ITU709))


def _changes(first: VideoFrame, output_format: OutputFormat) -> list[str]:
    """Return in words how the frames of the output differ from `first`."""
    depth, transfer = _depth(first.format), "PQ" if first.color_trc == ColorTrc.SMPTE2084 else "HLG"
    coded, size = f"{first.width}x{first.height}", f"{output_format.size.width}x{output_format.size.height}"
    said = {
        f"cut from {coded} to {size}, its clean aperture": output_format.aperture is not None,
        f"padded from {coded} to {size}": output_format.aperture is None
        and output_format.size != Size(first.width, first.height),
        f"tone-mapped from {transfer} to BT.709": output_format.color != _color(first),
        f"{depth} bits a sample became {output_format.depth}": depth > output_format.depth,
        f"{first.format.name} became 4:2:0": _chroma_is_lost(first.format),
        "transparency was dropped": len(first.format.components) in _ALPHA_COMPONENTS,
    }
    return [change for change, applies in said.items() if applies]


def _chroma_is_lost(pixels: VideoFormat) -> bool:
    if pixels.is_rgb:
        return True
    return not pixels.name.startswith("gray") and (pixels.chroma_width(2), pixels.chroma_height(2)) != (1, 1)


@dataclass(frozen=True)
class StreamParameters:
    """The parameters of the output's video that are set before its first frame."""

    first: VideoFrame
    output_format: OutputFormat
    time_base: Fraction
    frame_rate: Fraction
    sample_aspect_ratio: Fraction | None
    display_matrix: Sequence[int] | None


def stream_parameters_of(
    first: VideoFrame, stream: VideoStream, settings: RenderSettings
) -> StreamParameters:
    """Return the parameters to encode `stream` with, which begins with `first`."""
    return StreamParameters(
        first=first,
        output_format=output_format_of(first, stream, settings.codec),
        time_base=time_base(stream),
        frame_rate=stream.average_rate or stream.guessed_rate or _DEFAULT_RATE,
        sample_aspect_ratio=stream.sample_aspect_ratio,
        display_matrix=display_matrix(first),
    )
