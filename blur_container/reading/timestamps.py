"""Times: the unit of a stream's times, and when a frame is shown."""

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

_CLOCK = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)
_ROUNDED_S = Fraction(1, 100)
_SOME_UNIT = Fraction(1, 1000)


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
    duration = told if told > 0 else _untold_duration(stream, pts) or max(step, 1)
    if stream.duration is None or stream.start_time is None:
        return duration
    left = stream.start_time + stream.duration - pts
    if 0 < left < duration or (left > duration and _ends_with_dropped_frames(stream)):
        return left
    return duration


def _untold_duration(stream: VideoStream, pts: int) -> int:
    """Return how long the last frame is shown by the end that Matroska tells of a track, or 0.

    Of a single track the file's end is that of the track; of others it stands in a tag.
    """
    container = cast("InputContainer", stream.container)
    file_s = Fraction(container.duration or 0, av.time_base)
    found = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
    if found:
        hours, minutes, seconds = found.groups()
        end_s = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    else:
        end_s = file_s if len(container.streams) == 1 else Fraction(0)
    if end_s > file_s + _ROUNDED_S:
        # The tag is left over from another file.
        return 0
    return max(round(end_s / time_base(stream)) - pts, 0)


def _ends_with_dropped_frames(stream: VideoStream) -> bool:
    entries = stream.index_entries
    return len(entries) > 1 and entries[0].size > 0 and not entries[len(entries) - 1].size


def usual_step(stream: VideoStream) -> int:
    """Return how long a frame is shown by the frame rate of `stream`."""
    rate = stream.average_rate or stream.guessed_rate
    return round(1 / (rate * time_base(stream))) if rate else 1


def frame_unit(frame: VideoFrame) -> Fraction:
    """Return the unit of the frame's own times, in seconds, or some unit where it has none."""
    return frame.time_base or _SOME_UNIT


@dataclass(frozen=True)
class DecodeRange:
    """A stretch of a video, in its time base: frames from `start_pts` up to `end_pts`, or to the last.

    Decoding begins at the keyframe with `key_pts` and `key_dts`; no packet from `stop_dts` on is needed, if
    it is told. Where that keyframe is `open`, frames behind it may refer to some before it: they are shown
    before it too, and cannot be decoded.
    """

    key_pts: int
    key_dts: int
    start_pts: int
    end_pts: int | None = None
    stop_dts: int | None = None
    open: bool = False

    def holds(self, pts: int) -> bool:
        """Return whether a frame with `pts` is shown in this stretch."""
        return self.start_pts <= pts and (self.end_pts is None or pts < self.end_pts)

    def is_over(self, pts: int) -> bool:
        """Return whether no frame from `pts` on is shown in this stretch."""
        return self.end_pts is not None and pts >= self.end_pts
