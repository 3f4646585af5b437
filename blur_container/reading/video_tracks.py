"""Video tracks: all that a file holds, and the one that is shown; detector and renderer choose by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from blur_container.timing import MS_PER_S
from chalicelib.contract.errors import NoVideoStream, UnsupportedVideo
from chalicelib.contract.faces import VideoDescription

# A track so many times as heavy as another is the video, the other a preview of it.
_CLEARLY = 2
# A shown track so many times lighter than a hidden one is no video, whatever its flag says.
_HARDLY = 20
# Matroska tells both in tags only; FFmpeg and mkvmerge write them.
_LENGTH_TAG = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)")
_COUNT_TAG = "NUMBER_OF_FRAMES"


@dataclass(frozen=True)
class VideoTrack:
    """One video track as its container tells of it; None where it does not."""

    index: int
    codec: str
    width: int
    height: int
    frames: int | None
    duration_ms: int | None
    shown_by_default: bool
    picture: bool
    rendered: bool

    def __str__(self) -> str:
        """Return the track in words."""
        frames = "an untold number of" if self.frames is None else self.frames
        return f"track {self.index} of {frames} frames, {self.width}x{self.height}"


def shown_track(container: InputContainer) -> VideoStream:
    """Return the video track that players show.

    Cover pictures are none. Tracks that are enabled (MP4) or default (Matroska) go before others; of several
    the one that clearly has most frames and lasts longest, or else the clearly largest. Raise NoVideoStream,
    or UnsupportedVideo where nothing tells.
    """
    moving = [stream for stream in container.streams.video if not is_picture(stream)]
    if not moving:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise NoVideoStream(f"the file holds no video stream; its streams: {kinds}")
    candidates = [stream for stream in moving if stream.disposition & Disposition.default] or moving
    heaviest = [one for one in candidates if not any(_outweighs(other, one) for other in candidates)]
    largest = [one for one in heaviest if not any(_is_larger(other, one) for other in heaviest)]
    if len(largest) > 1:
        raise UnsupportedVideo(f"nothing tells which of these is the video: {_in_words(largest)}")
    hidden = [stream for stream in moving if stream not in candidates]
    if any(_outweighs(other, largest[0], _HARDLY) for other in hidden):
        raise UnsupportedVideo(
            f"a track that is hidden is far longer than the one that is shown: {_in_words(moving)}"
        )
    return largest[0]


def video_tracks(container: InputContainer, rendered: VideoStream) -> tuple[VideoTrack, ...]:
    """Return all video tracks, in the order of the file."""
    return tuple(_described(stream, rendered) for stream in container.streams.video)


def require_analysed(stream: VideoStream, analysed: VideoDescription) -> None:
    """Raise UnsupportedVideo where the detector's size is that of another track than `stream`."""
    size = {analysed.width, analysed.height}
    moving = [other for other in stream.container.streams.video if not is_picture(other)]
    if _sides(stream) != size and any(_sides(other) == size for other in moving):
        raise UnsupportedVideo(
            f"the faces were looked for in a track of {analysed.width}x{analysed.height}, "
            f"and the one to render is another: {_in_words(moving)}"
        )


def _described(stream: VideoStream, rendered: VideoStream | None = None) -> VideoTrack:
    # PyAV says None here where FFmpeg has no decoder, against its own type hints.
    context = cast("Any", stream.codec_context)
    length_s = _length_s(stream)
    return VideoTrack(
        index=stream.index,
        codec=context.name if context else "unknown",
        width=context.width if context else 0,
        height=context.height if context else 0,
        frames=_count(stream),
        duration_ms=None if length_s is None else round(length_s * MS_PER_S),
        shown_by_default=bool(stream.disposition & Disposition.default),
        picture=is_picture(stream),
        rendered=rendered is not None and stream.index == rendered.index,
    )


def _in_words(streams: Sequence[VideoStream]) -> str:
    return "; ".join(str(_described(stream)) for stream in streams)


def _outweighs(one: VideoStream, other: VideoStream, times: int = _CLEARLY) -> bool:
    """Return whether the frames times the length of `one`, as far as told of both, are so many times more."""
    heavy = light = Fraction(1)
    for fact in (_count, _length_s):
        mine, yours = fact(one), fact(other)
        if mine is not None and yours is not None:
            heavy, light = heavy * mine, light * yours
    return heavy >= times * light and heavy > light


def _is_larger(one: VideoStream, other: VideoStream) -> bool:
    mine, yours = _described(one), _described(other)
    return mine.width * mine.height >= _CLEARLY * yours.width * yours.height > 0


def _count(stream: VideoStream) -> int | None:
    told = stream.frames or _tag(stream, _COUNT_TAG)
    return int(told) if told and str(told).isdecimal() else None


def _length_s(stream: VideoStream) -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    match = _LENGTH_TAG.fullmatch(_tag(stream, "DURATION") or "")
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def _tag(stream: VideoStream, name: str) -> str | None:
    # mkvmerge puts the language behind the name.
    return next((text for key, text in stream.metadata.items() if key.split("-")[0] == name), None)


def _sides(stream: VideoStream) -> set[int]:
    """Return both sides of a track's frames, however they are turned."""
    track = _described(stream)
    return {track.width, track.height}


def is_picture(stream: Stream) -> bool:
    """Return whether a video stream holds a cover picture or thumbnails."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
