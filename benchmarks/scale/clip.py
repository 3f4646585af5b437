"""Make the scale benchmark's clip: a minute of synthetic video, repeated packet by packet, with sound.

`python -m benchmarks.scale.clip TARGET SECONDS FRAME_RATE CRF`
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer

from benchmarks.render.clips import BORDER_PX, Picture, background, draw_head
from benchmarks.scale.ground_truth import HEIGHT, LOOP_S, WIDTH, boxes_at

KEYFRAME_S = 2
_SEED = 20261124
# Standard deviation of the sensor's noise, in steps of luma.
_NOISE = 1.5
_NOISE_FRAMES = 16
_SOUND_HZ = 44_100
_ARGUMENTS = 5


def make_clip(path: Path, seconds: int, frame_rate: int, crf: int) -> None:
    """Write the clip to `path`: 720p, H.264, a closed group every 2 s, AAC, the moov box first."""
    with tempfile.TemporaryDirectory() as folder:
        minute = Path(folder) / "minute.mp4"
        _make_minute(minute, frame_rate, crf)
        partial = path.with_suffix(".partial.mp4")
        _repeat(minute, partial, seconds, frame_rate)
        partial.rename(path)


def _make_minute(path: Path, frame_rate: int, crf: int) -> None:
    params = f"keyint={KEYFRAME_S * frame_rate}:scenecut=0"
    options = {"preset": "veryfast", "crf": str(crf), "x264-params": params}
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=frame_rate, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(_pictures(frame_rate)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, frame_rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def _pictures(frame_rate: int) -> Iterator[Picture]:
    random = np.random.default_rng(_SEED)
    wall = background((WIDTH, HEIGHT), random)
    noise = [
        np.round(random.normal(0, _NOISE, (HEIGHT, WIDTH, 1))).astype(np.int16) for _ in range(_NOISE_FRAMES)
    ]
    for index in range(LOOP_S * frame_rate):
        pan = abs(index % (2 * BORDER_PX) - BORDER_PX)
        picture = wall[pan // 2 : pan // 2 + HEIGHT, pan : pan + WIDTH].copy()
        for box in boxes_at(index / frame_rate):
            draw_head(picture, box)
        yield np.clip(picture + noise[index * 7 % _NOISE_FRAMES], 0, 255).astype(np.uint8)


def _repeat(minute: Path, target: Path, seconds: int, frame_rate: int) -> None:
    options = {"movflags": "+faststart"}
    with av.open(str(minute)) as source, av.open(str(target), "w", options=options) as container:
        model = source.streams.video[0]
        video = container.add_stream_from_template(model)
        sound: Any = container.add_stream("aac", rate=_SOUND_HZ, layout="mono")
        packets = [packet for packet in source.demux(model) if packet.size]
        times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        for index in range(seconds * frame_rate):
            if index % frame_rate == 0:
                _add_sound(container, sound, index // frame_rate)
            loop, number = divmod(index, len(packets))
            packet, (pts, dts) = packets[number], times[number]
            # Muxing rewrites a packet's times and time base to those of the output: set them anew.
            packet.time_base = model.time_base or Fraction(1)
            shift = round(loop * LOOP_S / packet.time_base)
            packet.pts, packet.dts, packet.stream = pts + shift, dts + shift, video
            container.mux(packet)
        container.mux(sound.encode(None))


def _add_sound(container: OutputContainer, sound: Any, second: int) -> None:
    """Encode one second of a tone; its pitch depends on the second."""
    moments = np.arange(_SOUND_HZ) / _SOUND_HZ
    wave = (0.2 * np.sin(2 * np.pi * (220 + second % 220) * moments)).astype(np.float32)
    frame = AudioFrame.from_ndarray(wave[np.newaxis, :], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = _SOUND_HZ, second * _SOUND_HZ
    frame.time_base = Fraction(1, _SOUND_HZ)
    container.mux(sound.encode(frame))


if __name__ == "__main__":
    if len(sys.argv) != _ARGUMENTS:
        sys.exit(__doc__)
    make_clip(Path(sys.argv[1]), *map(int, sys.argv[2:]))
