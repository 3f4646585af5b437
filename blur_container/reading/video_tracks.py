"""Video tracks: describe all of a file, and choose the one that players show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from blur_container.reading.timestamps import duration_tag_s
from blur_container.timing import MS_PER_S
from chalicelib.contract.errors import NoVideoStream, UnsupportedVideo
from chalicelib.contract.faces import VideoDescription

# The track with so many times the frames and duration of another is the video, the other a preview.
_CLEARLY = 2
# A default track with so many times less than a hidden one is not the video, whatever its flag says.
_HARDLY = 20
# Matroska has the number of frames in a tag only, which FFmpeg and mkvmerge write.
_COUNT_TAG = "NUMBER_OF_FRAMES"


@dataclass(frozen=True)
class VideoTrack:
    """One video track as its container describes it; None where it does not say."""

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
        """Return the track in words, for error messages."""
        frames = "an unknown number of" if self.frames is None else self.frames
        return f"track {self.index} of {frames} frames, {self.width}x{self.height}"


def shown_track(container: InputContainer) -> VideoStream:
    """Return the video track that players show.

    Cover pictures do not count. Enabled (MP4) or default (Matroska) tracks go first; of several, the one with
    clearly the most frames and duration, or else the clearly largest frames. Raise NoVideoStream, or
    UnsupportedVideo where several could be the video.
    """
    moving = [stream for stream in container.streams.video if not is_picture(stream)]
    if not moving:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise NoVideoStream(f"the file has no video stream; its streams: {kinds}")
    candidates = [stream for stream in moving if stream.disposition & Disposition.default] or moving
    heaviest = [one for one in candidates if not any(_outweighs(other, one) for other in candidates)]
    largest = [one for one in heaviest if not any(_is_larger(other, one) for other in heaviest)]
    if len(largest) > 1:
        raise UnsupportedVideo(f"it is not clear which of these is the video: {_in_words(largest)}")
    hidden = [stream for stream in moving if stream not in candidates]
    if any(_outweighs(other, largest[0], _HARDLY) for other in hidden):
        raise UnsupportedVideo(f"a hidden track is far longer than the shown one: {_in_words(moving)}")
    return largest[0]


def video_tracks(container: InputContainer, rendered: VideoStream) -> tuple[VideoTrack, ...]:
    """Describe all video tracks, in the order of the file."""
    return tuple(_described(stream, rendered) for stream in container.streams.video)


def require_analysed(stream: VideoStream, analysed: VideoDescription) -> None:
    """Raise UnsupportedVideo where the detector's frame size fits another track and not `stream`."""
    size = {analysed.width, analysed.height}
    moving = [other for other in stream.container.streams.video if not is_picture(other)]
    if _sides(stream) != size and any(_sides(other) == size for other in moving):
        raise UnsupportedVideo(
            f"the faces were looked for in a track of {analysed.width}x{analysed.height}, "
            f"and the one to render is another: {_in_words(moving)}"
        )


def _described(stream: VideoStream, rendered: VideoStream | None = None) -> VideoTrack:
    # PyAV returns None here where FFmpeg has no decoder, against its own type hints.
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
    """Return whether `one` has `times` the frames times duration of `other`, as far as known of both."""
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
    count = stream.frames or _tag(stream, _COUNT_TAG)
    return int(count) if count and str(count).isdecimal() else None


def _length_s(stream: VideoStream) -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return duration_tag_s(_tag(stream, "DURATION") or "")


def _tag(stream: VideoStream, name: str) -> str | None:
    # mkvmerge appends the language to the name.
    return next((text for key, text in stream.metadata.items() if key.split("-")[0] == name), None)


def _sides(stream: VideoStream) -> set[int]:
    """Return width and height of a track's frames without their order, which rotation changes."""
    track = _described(stream)
    return {track.width, track.height}


def is_picture(stream: Stream) -> bool:
    """Return whether a video stream is a cover picture or thumbnails."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
