"""The clean aperture: what a container says is shown of each frame, the rest being a border to hide."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
from av.video.stream import VideoStream

from blur_container.geometry import Rect, Size
from chalicelib.contract.errors import UnsupportedVideo

# Matroska's element names down to the video of a track. Source: RFC 9559, section 5.1.
_TO_VIDEO = tuple(bytes.fromhex(name) for name in ("18538067", "1654ae6b", "ae", "e0"))
_BOTTOM, _TOP, _LEFT, _RIGHT = (bytes.fromhex(name) for name in ("54aa", "54bb", "54cc", "54dd"))
_LONGEST = 8


def clean_aperture(stream: VideoStream) -> Rect | None:
    """Return what is shown of the coded frames of `stream`, in whole pixels; None for all of it.

    MP4 and MOV say it in a `clap` box, Matroska in PixelCrop elements. Raise UnsupportedVideo where nothing
    would be left.
    """
    told = _video_elements(_matroska_header(stream))
    left, top, right, bottom = (
        int.from_bytes(told.get(name, b""), "big") for name in (_LEFT, _TOP, _RIGHT, _BOTTOM)
    )
    if not (left or top or right or bottom):
        return None
    rect = Rect(left, top, stream.width - right, stream.height - bottom)
    if rect.left >= rect.right or rect.top >= rect.bottom:
        raise UnsupportedVideo(f"the clean aperture leaves nothing of {stream.width}x{stream.height}")
    return rect


def inner(rect: Rect, rows: int) -> Rect:
    """Return the largest rect inside `rect` of even columns, and rows of a multiple of `rows`."""
    left, top = -(-rect.left // 2) * 2, -(-rect.top // rows) * rows
    shown = Rect(left, top, rect.right // 2 * 2, top + (rect.bottom - top) // rows * rows)
    if shown.left >= shown.right or shown.top >= shown.bottom:
        raise UnsupportedVideo("the clean aperture is too small for a frame")
    return shown


def cut_size(aperture: Rect | None, coded: Size) -> Size:
    """Return the size of what is shown."""
    return aperture.size if aperture else coded


def _matroska_header(stream: VideoStream) -> bytes:
    """Return the head of a Matroska file with a track like `stream`.

    PyAV does not tell of the aperture; FFmpeg, which reads it in all containers, writes it there.
    """
    head = io.BytesIO()
    try:
        with av.open(head, "w", format="matroska") as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (av.FFmpegError, ValueError):
        # No aperture is known for what Matroska cannot hold.
        return b""
    return head.getvalue()


def _video_elements(header: bytes) -> dict[bytes, bytes]:
    """Return what a Matroska header says of the pictures of its track."""
    for name in _TO_VIDEO:
        header = dict(_elements(header)).get(name, b"")
    return dict(_elements(header))


def _elements(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each element; a length in front of it has a bit that tells its bytes.

    Source: RFC 8794, sections 4 and 5.
    """
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
