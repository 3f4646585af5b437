"""The clean aperture: the part of each frame that a container says is shown; the rest is a border."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
from av.video.stream import VideoStream

from blur_container.geometry import Rect, Size
from chalicelib.contract.errors import UnsupportedVideo

# The Matroska elements from the segment down to the video of a track. Source: RFC 9559, section 5.1.
_TO_VIDEO = tuple(bytes.fromhex(name) for name in ("18538067", "1654ae6b", "ae", "e0"))
_BOTTOM, _TOP, _LEFT, _RIGHT = (bytes.fromhex(name) for name in ("54aa", "54bb", "54cc", "54dd"))
_LONGEST = 8


def clean_aperture(stream: VideoStream) -> Rect | None:
    """Return the shown part of the coded frames of `stream`, in pixels; None for the whole frame.

    MP4 and MOV store it in a `clap` box, Matroska in PixelCrop elements. Raise UnsupportedVideo where the
    part is empty.
    """
    content = _matroska_header(stream)
    for name in _TO_VIDEO:
        content = dict(_elements(content)).get(name, b"")
    video = dict(_elements(content))
    left, top, right, bottom = (
        int.from_bytes(video.get(name, b""), "big") for name in (_LEFT, _TOP, _RIGHT, _BOTTOM)
    )
    if not (left or top or right or bottom):
        return None
    rect = Rect(left, top, stream.width - right, stream.height - bottom)
    if rect.left >= rect.right or rect.top >= rect.bottom:
        raise UnsupportedVideo(f"the clean aperture leaves nothing of {stream.width}x{stream.height}")
    return rect


def inner(rect: Rect, rows: int) -> Rect:
    """Return the largest rect inside `rect` with even columns, and a number of rows divisible by `rows`."""
    left, top = -(-rect.left // 2) * 2, -(-rect.top // rows) * rows
    shown = Rect(left, top, rect.right // 2 * 2, top + (rect.bottom - top) // rows * rows)
    if shown.left >= shown.right or shown.top >= shown.bottom:
        raise UnsupportedVideo("the clean aperture is too small for a frame")
    return shown


def cut_size(aperture: Rect | None, coded: Size) -> Size:
    """Return the size of the aperture, or `coded` without one."""
    return aperture.size if aperture else coded


def _matroska_header(stream: VideoStream) -> bytes:
    """Return the header of a Matroska file with a track like `stream`, empty where none can be written.

    PyAV does not expose the aperture. FFmpeg reads it in all containers, and writes it into Matroska.
    """
    head = io.BytesIO()
    try:
        with av.open(head, "w", format="matroska") as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (av.FFmpegError, ValueError):
        return b""
    return head.getvalue()


def _elements(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the ID and content of each EBML element. Source: RFC 8794, sections 4 and 5."""
    place = 0
    while place < len(content):
        after = place + _LONGEST + 1 - content[place].bit_length()
        count = _LONGEST + 1 - content[after].bit_length() if after < len(content) else 0
        begin = after + count
        if not 0 < count <= _LONGEST or begin > len(content):
            return
        length = int.from_bytes(content[after:begin], "big") & ((1 << 7 * count) - 1)
        yield content[place:after], content[begin : begin + length]
        place = begin + length
