"""Writes the before/after picture: the same frame of two videos side by side, as a PNG."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from local_cloud.rekognition_service.sampling import quarter_turns, upright_picture

_WIDTH_MAX = 1600
_GAP = 8
_HALF_WIDTH_MAX = (_WIDTH_MAX - _GAP) // 2
_WHITE = (255, 255, 255)
# Times in a report are rounded to milliseconds.
_ROUNDED_S = 0.0005


def before_after(source: Path, blurred: Path, target: Path, at_s: float) -> None:
    """Write the frame shown `at_s` seconds after the first, of both files, to the PNG `target`.

    Raises ValueError where a file has no frame.
    """
    halves = [_labelled(_picture_at(source, at_s), "before"), _labelled(_picture_at(blurred, at_s), "after")]
    height = min(half.shape[0] for half in halves)
    gap = np.full((height, _GAP, 3), _WHITE, np.uint8)
    side_by_side = np.hstack((halves[0][:height], gap, halves[1][:height]))
    if not cv2.imwrite(str(target), cv2.cvtColor(side_by_side, cv2.COLOR_RGB2BGR)):
        raise OSError(f"the picture cannot be written: {target}")


def _picture_at(path: Path, at_s: float) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        stream = next(
            (one for one in container.streams.video if not one.disposition & Disposition.attached_pic), None
        )
        if stream is None:
            raise ValueError(f"no video stream: {path}")
        frame = _frame_at(container, stream, at_s)
        if frame is None:
            raise ValueError(f"no frame decodes: {path}")
        return upright_picture(frame, _half_size(frame, stream), VideoReformatter())


def _frame_at(container: InputContainer, stream: VideoStream, at_s: float) -> VideoFrame | None:
    """Return the last frame that starts at or before the time, else the first."""
    stream.thread_type = "AUTO"
    start_s = _start_s(stream)
    shown: VideoFrame | None = None
    # A container without an index may be read on after the last keyframe: then again, from the start.
    for begin_s in (start_s + at_s, 0.0):
        container.seek(max(0, round(begin_s * av.time_base)))
        shown = _last_before(container, stream, start_s + at_s)
        if shown is not None and (shown.time or 0.0) <= start_s + at_s + _ROUNDED_S:
            break
    return shown


def _last_before(container: InputContainer, stream: VideoStream, time_s: float) -> VideoFrame | None:
    """Return the last of the next frames that starts at or before the time, else the first of them."""
    shown: VideoFrame | None = None
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if shown is not None and (frame.time or 0.0) > time_s + _ROUNDED_S:
            break
        shown = frame
    return shown


def _start_s(stream: VideoStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _half_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return the coded (width, height) at which the displayed frame fits into one half."""
    width = float(frame.width * (stream.sample_aspect_ratio or 1))
    displayed_width = frame.height if quarter_turns(frame) % 2 else width
    scale = min(1.0, _HALF_WIDTH_MAX / displayed_width)
    return max(1, round(width * scale)), max(1, round(frame.height * scale))


def _labelled(picture: NDArray[np.uint8], label: str) -> NDArray[np.uint8]:
    """Return the picture with the label on a dark plate in its lower left corner."""
    size = max(0.4, picture.shape[0] / 600)
    (width, height), below = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    bottom, pad = picture.shape[0], height // 2
    top = bottom - height - below - 2 * pad
    cv2.rectangle(picture, (0, top), (width + 2 * pad, bottom), (0, 0, 0), cv2.FILLED)
    at = (pad, bottom - below - pad)
    cv2.putText(picture, label, at, cv2.FONT_HERSHEY_SIMPLEX, size, _WHITE, 1, cv2.LINE_AA)
    return picture
