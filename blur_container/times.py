"""Times: the unit of a stream's times, and when a frame is shown."""

from __future__ import annotations

from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from chalicelib.contract.errors import UnsupportedVideo


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


def last_duration(stream: VideoStream, pts: int, told: int, step: int) -> int:
    """Return how long the last frame of `stream`, at `pts`, is shown.

    `told` is what its packet says, 0 where it says nothing: then the frame is shown as long as the one
    before, for `step`. An edit list may end earlier, in the middle of the frame; samples without bytes, which
    stand for dropped frames, may go on behind it.
    """
    duration = told if told > 0 else max(step, 1)
    if stream.duration is None or stream.start_time is None:
        return duration
    left = stream.start_time + stream.duration - pts
    if 0 < left < duration or (left > duration and _ends_with_dropped_frames(stream)):
        return left
    return duration


def _ends_with_dropped_frames(stream: VideoStream) -> bool:
    entries = stream.index_entries
    return len(entries) > 1 and entries[0].size > 0 and not entries[len(entries) - 1].size


def usual_step(stream: VideoStream) -> int:
    """Return how long a frame is shown by the frame rate of `stream`."""
    rate = stream.average_rate or stream.guessed_rate
    return round(1 / (rate * time_base(stream))) if rate else 1
