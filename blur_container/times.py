"""Times: the unit of a stream's times, and when a frame is shown."""

from __future__ import annotations

from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from chalicelib.contract.errors import UnsupportedVideo

_SOME_UNIT = Fraction(1, 1000)


def time_base(stream: VideoStream) -> Fraction:
    """Return the unit of the stream's times, in seconds."""
    if stream.time_base is None:
        raise UnsupportedVideo("the video stream has no time base")
    return stream.time_base


def presentation_time(frame: VideoFrame) -> int:
    """Return when `frame` is shown, in its stream's time base."""
    if frame.pts is None:
        raise UnsupportedVideo("a frame has no presentation time")
    return frame.pts


def frame_unit(frame: VideoFrame) -> Fraction:
    """Return the unit of the frame's own times, in seconds, or some unit where it has none."""
    return frame.time_base or _SOME_UNIT
