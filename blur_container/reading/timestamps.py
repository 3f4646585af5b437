"""Timestamps: time bases, presentation times, durations of last frames, and decode ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from chalicelib.contract.errors import UnsupportedVideo

_DURATION_TAG = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)
# Tags are rounded; an end that is later than the file's by more than this belongs to another file.
_ROUNDED_S = Fraction(1, 100)
_DEFAULT_UNIT = Fraction(1, 1000)


def time_base(stream: VideoStream) -> Fraction:
    """Return the unit of the stream's times, in seconds."""
    if stream.time_base is None:
        raise UnsupportedVideo("the video stream has no time base")
    return stream.time_base


def reorder_options(codec: str) -> dict[str, str]:
    """Return what makes a decoder of `codec` wait for frames that are decoded late and shown early.

    H.264 need not tell how many to wait for. FFmpeg guesses by the first ones, and drops what it meets too
    late; strictly it waits for as many as the level allows. Source: H.264, E.2.1, max_num_reorder_frames.
    """
    return {"strict": "strict"} if codec == "h264" else {}


def presentation_time(frame: VideoFrame) -> int:
    """Return the pts of `frame`, in its stream's time base; raise UnsupportedVideo where it has none."""
    if frame.pts is None:
        raise UnsupportedVideo("a frame has no presentation time")
    return frame.pts


def last_duration(stream: VideoStream, pts: int, packet_duration: int, step: int) -> int:
    """Return how long the last frame of `stream`, at `pts`, is shown, in the time base.

    Where its packet has no duration (0) it is shown until the end of a Matroska track, or for `step`, like
    the frame before. An edit list may end earlier, within the frame; samples without bytes, which mark
    dropped frames, may continue after it.
    """
    duration = packet_duration if packet_duration > 0 else _until_track_end(stream, pts) or max(step, 1)
    if stream.duration is None or stream.start_time is None:
        return duration
    left = stream.start_time + stream.duration - pts
    if 0 < left < duration or (left > duration and _ends_with_dropped_frames(stream)):
        return left
    return duration


def duration_tag_s(tag: str) -> Fraction | None:
    """Return the seconds of a Matroska DURATION tag, "hh:mm:ss.fff"; None where it is malformed."""
    found = _DURATION_TAG.fullmatch(tag)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)


def _until_track_end(stream: VideoStream, pts: int) -> int:
    """Return the time from `pts` to the end of a Matroska track, or 0 where that is unknown.

    A DURATION tag has the end; without one, the end of a file with a single track is that of the track.
    """
    container = cast("InputContainer", stream.container)
    file_s = Fraction(container.duration or 0, av.time_base)
    end_s = duration_tag_s(stream.metadata.get("DURATION", ""))
    if end_s is None:
        end_s = file_s if len(container.streams) == 1 else Fraction(0)
    if end_s > file_s + _ROUNDED_S:
        return 0
    return max(round(end_s / time_base(stream)) - pts, 0)


def _ends_with_dropped_frames(stream: VideoStream) -> bool:
    entries = stream.index_entries
    return len(entries) > 1 and entries[0].size > 0 and not entries[len(entries) - 1].size


def usual_step(stream: VideoStream) -> int:
    """Return the duration of a frame by the frame rate of `stream`, in its time base; 1 without a rate."""
    rate = stream.average_rate or stream.guessed_rate
    return round(1 / (rate * time_base(stream))) if rate else 1


def frame_unit(frame: VideoFrame) -> Fraction:
    """Return the time base of `frame`, in seconds, or a millisecond where it has none."""
    return frame.time_base or _DEFAULT_UNIT


@dataclass(frozen=True)
class DecodeRange:
    """A range of a video's frames, in its time base: from `start_pts` up to `end_pts`, or to the last.

    Decoding begins at the keyframe with `key_pts` and `key_dts`, and needs no packet from `stop_dts` on, or
    all where that is None. After an `open` keyframe, frames may refer to frames before it: they have an
    earlier pts and cannot be decoded.
    """

    key_pts: int
    key_dts: int
    start_pts: int
    end_pts: int | None = None
    stop_dts: int | None = None
    open: bool = False

    def holds(self, pts: int) -> bool:
        """Return whether a frame with `pts` is in the range."""
        return self.start_pts <= pts and (self.end_pts is None or pts < self.end_pts)

    def is_over(self, pts: int) -> bool:
        """Return whether the range ends at or before `pts`."""
        return self.end_pts is not None and pts >= self.end_pts
