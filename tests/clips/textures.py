"""Textures: smooth noise of a fixed seed, which can be followed, and coarse enough to survive encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.geometry import Picture

RATE = 25
_AUDIO_RATE = 44_100
_AUDIO_FRAME = 1024
_SIZE = (320, 180)


def noise(size: tuple[int, int], seed: int, grain_px: float, low: int = 16, high: int = 240) -> Picture:
    """Return uint8 (height, width) of `size` (width, height), from `low` to `high`."""
    width, height = size
    rough = np.random.default_rng(seed).random((height, width), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(rough, (0, 0), grain_px), np.float32)
    span = max(float(np.ptp(smooth)), 1e-6)
    return np.asarray((smooth - smooth.min()) / span * (high - low) + low, np.uint8)


def make_noise(path: Path, seconds: int = 10) -> Path:
    """Write a video of 0.9 MB a second with a keyframe every second, and silence, index first."""
    with av.open(str(path), "w", container_options={"movflags": "+faststart"}) as container:
        options = {"preset": "ultrafast", "crf": "4", "g": str(RATE)}
        video = container.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(video, VideoStream)
        (video.width, video.height), video.pix_fmt = _SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=_AUDIO_RATE, layout="mono")
        assert isinstance(audio, AudioStream)
        for second in range(seconds):
            _write_second(container, video, audio, second)
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def _write_second(container: OutputContainer, video: VideoStream, audio: AudioStream, second: int) -> None:
    noise = np.random.default_rng(second).integers(0, 256, (_SIZE[1], _SIZE[0], 3), dtype=np.uint8)
    for index in range(RATE):
        frame = VideoFrame.from_ndarray(np.roll(noise, index, axis=0), format="rgb24")
        frame.pts = second * RATE + index
        container.mux(video.encode(frame))
    rate = _AUDIO_RATE // _AUDIO_FRAME
    for index in range(rate):
        silence = np.zeros((1, _AUDIO_FRAME), np.float32)
        sound = AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        sound.rate, sound.time_base = _AUDIO_RATE, Fraction(1, _AUDIO_RATE)
        sound.pts = (second * rate + index) * _AUDIO_FRAME
        container.mux(audio.encode(sound))
