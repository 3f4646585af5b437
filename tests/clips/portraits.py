"""Clips with a real face: the head of NASA's astronaut portrait on a plain background, at known places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from local_cloud.commands.demo_clip import portrait_path
from tests.clips import written_once

SIZE = (480, 270)
_HEAD = (slice(0, 215), slice(130, 320))  # Rows and columns of the portrait.
_HEAD_HEIGHT = 130
_GREY = 96
_SOUND_RATE_HZ = 44_100


@dataclass(frozen=True)
class PortraitClip:
    """A clip with the head's centre at `places`: (x, y) in pixels, one a frame."""

    places: Sequence[tuple[int, int]]
    frame_rate: Fraction = Fraction(25)
    sound: bool = True
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"), ("crf", "18"))
    faststart: bool = True


NO_FACE = (-1000, -1000)


def standing(seconds: float) -> PortraitClip:
    """Return a clip with the head in the middle."""
    return PortraitClip([(240, 135)] * round(25 * seconds))


def make_portrait_clip(path: Path, clip: PortraitClip) -> Path:
    """Write `clip` to `path`."""
    return written_once(path, repr(clip), lambda: _encode(path, clip))


def _encode(path: Path, clip: PortraitClip) -> None:
    options = {"movflags": "+faststart"} if clip.faststart else {}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        video = container.add_stream(clip.codec, rate=clip.frame_rate, options=dict(clip.options))
        assert isinstance(video, VideoStream)
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        if clip.sound:
            _add_sound(container, len(clip.places) / clip.frame_rate)
        head = _head()
        for index, place in enumerate(clip.places):
            frame = VideoFrame.from_ndarray(_picture(head, place), format="bgr24")
            frame.pts, frame.time_base = index, 1 / clip.frame_rate
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def _head() -> NDArray[np.uint8]:
    portrait = cv2.imread(str(portrait_path()))
    assert portrait is not None
    head = portrait[_HEAD]
    width = round(head.shape[1] * _HEAD_HEIGHT / head.shape[0])
    return np.asarray(cv2.resize(head, (width, _HEAD_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _picture(head: NDArray[np.uint8], place: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = SIZE
    picture = np.full((height, width, 3), _GREY, np.uint8)
    left, top = place[0] - head.shape[1] // 2, place[1] - head.shape[0] // 2
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(width, left + head.shape[1]), min(height, top + head.shape[0])
    if x1 < x2 and y1 < y2:
        picture[y1:y2, x1:x2] = head[y1 - top : y2 - top, x1 - left : x2 - left]
    return picture


def _add_sound(container: OutputContainer, seconds: Fraction) -> None:
    stream = container.add_stream("aac", rate=_SOUND_RATE_HZ, layout="mono")
    moments = np.arange(int(seconds * _SOUND_RATE_HZ)) / _SOUND_RATE_HZ
    wave = (0.2 * np.sin(2 * np.pi * 330 * moments)).astype(np.float32)
    frame = AudioFrame.from_ndarray(wave[np.newaxis, :], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE_HZ, 0, Fraction(1, _SOUND_RATE_HZ)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
