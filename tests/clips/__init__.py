"""Clips made on the spot: high-detail faces with known places over a smooth background; nothing random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, cached_property
from math import ceil
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription

Picture = NDArray[np.uint8]

SOURCE_ID = "0" * 64
_SEED = 20261123
_BLOCK_PX = 4  # Coarse enough to survive the source's own encoding, fine enough to vanish in any blur.
_AUDIO_RATE = 44_100
_AUDIO_FRAME = 1024
# Many tests ask for the same clip.
_WRITTEN: dict[tuple[str, str], bytes] = {}
_KEPT_BYTES_MAX = 1_000_000


@dataclass(frozen=True)
class Face:
    """A face that moves evenly: place at time zero, change per second; fractions of the displayed frame."""

    left: float = 0.4
    top: float = 0.3
    width: float = 0.15
    height: float = 0.3
    speed_x: float = 0.0
    speed_y: float = 0.0

    def box_at(self, time_s: float) -> Box:
        """Return where the face is."""
        return Box(
            self.left + self.speed_x * time_s, self.top + self.speed_y * time_s, self.width, self.height
        )


@dataclass(frozen=True)
class Clip:
    """What a clip is made of; `size` is (width, height) as displayed, `rotation` counter-clockwise."""

    faces: Sequence[Face] = ()
    size: tuple[int, int] = (320, 180)
    seconds: float = 1.0
    frame_rate: Fraction = Fraction(30)
    time_base: Fraction | None = None
    pts: Sequence[int] | None = None
    rotation: int = 0
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "veryfast", "crf": "12"})
    audio: Sequence[str] = ()
    sample_aspect_ratio: Fraction | None = None
    color: tuple[int, int, int, int] | None = None
    # FFmpeg's AVFieldOrder: 2 is top field first, 3 bottom field first.
    field_order: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    # So many first frames are decoded in the order they are shown; later ones as the encoder likes.
    in_order: int = 0

    @property
    def unit(self) -> Fraction:
        """Return the time base of the video stream."""
        return self.time_base or 1 / Fraction(self.frame_rate.numerator)

    @cached_property
    def times(self) -> list[int]:
        """The pts of all frames."""
        if self.pts is not None:
            return list(self.pts)
        step = 1 / self.frame_rate / self.unit
        return [int(index * step) for index in range(round(self.seconds * self.frame_rate))]

    def ms(self, pts: int) -> int:
        """Return the time of the frame with `pts`, in ms from the first frame."""
        return round((pts - self.times[0]) * self.unit * 1000)

    def boxes(self, pts: int) -> list[Box]:
        """Return where the faces are in the frame with `pts`."""
        return [face.box_at(float((pts - self.times[0]) * self.unit)) for face in self.faces]


def make_clip(path: Path, clip: Clip) -> Path:
    """Write `clip` to `path`; the container format follows from the suffix."""
    return written_once(path, repr(clip), lambda: _encode(path, clip))


def written_once(path: Path, key: str, write: Callable[[], None]) -> Path:
    """Let `write` write `path`, or write what it wrote for the same `key` and suffix in this process."""
    place = (path.suffix, key)
    if place in _WRITTEN:
        path.write_bytes(_WRITTEN[place])
        return path
    write()
    if path.stat().st_size < _KEPT_BYTES_MAX:
        _WRITTEN[place] = path.read_bytes()
    return path


def _encode(path: Path, clip: Clip) -> None:
    with av.open(str(path), "w", container_options=clip.container_options) as container:
        container.metadata.update(clip.metadata)
        video = _video(container, clip)
        sound = [container.add_stream(codec, rate=_AUDIO_RATE, layout="mono") for codec in clip.audio]
        for index, stream in enumerate(sound):
            for frame in _tone(clip, 220 * (index + 1), stream.codec_context.format.name):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        for pts in clip.times:
            container.mux(video.encode(_frame(clip, pts)))
        container.mux(video.encode(None))


def faces_document(clip: Clip, interval_ms: int = 200) -> FacesDocument:
    """Return what a detector sees that looks at the first frame and then every `interval_ms`."""
    detections: list[Detection] = []
    due_ms = 0
    for pts in clip.times:
        if clip.ms(pts) >= due_ms:
            detections += [Detection(clip.ms(pts), box, 99.0) for box in clip.boxes(pts)]
            due_ms += interval_ms
    return document_of(detections, clip.size)


def seen_until(end_ms: int, document: FacesDocument) -> FacesDocument:
    """Return what of a document a detector sees where the video ends so early."""
    seen = tuple(face for face in document.detections if face.time_ms < end_ms)
    return replace(document, detections=seen)


def document_of(detections: Sequence[Detection], size: tuple[int, int] = (320, 180)) -> FacesDocument:
    """Return a faces document with `detections` of a video analysed at `size`."""
    description = VideoDescription("h264", 1000, 30.0, *size)
    return FacesDocument(SOURCE_ID, "job", description, tuple(detections))


def draw(clip: Clip, pts: int) -> Picture:
    """Return the displayed frame with `pts`: RGB, uint8 (height, width, 3)."""
    picture: Picture = _background(clip.size).copy()
    for index, box in enumerate(clip.boxes(pts)):
        _stamp(picture, box, _texture(_SEED + index))
    return picture


def _video(container: OutputContainer, clip: Clip) -> VideoStream:
    stream = container.add_stream(clip.codec, rate=clip.frame_rate, options=dict(clip.options))
    assert isinstance(stream, VideoStream)
    width, height = clip.size
    stream.width, stream.height = (height, width) if clip.rotation % 180 else (width, height)
    stream.pix_fmt = clip.pixel_format
    stream.codec_context.time_base = clip.unit
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    if clip.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = clip.sample_aspect_ratio
    if clip.field_order:
        stream.codec_context.flags |= Flags.interlaced_dct
        stream.codec_context.field_order = clip.field_order
    if clip.color:
        context = stream.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = clip.color
    return stream


def _frame(clip: Clip, pts: int) -> VideoFrame:
    coded = np.ascontiguousarray(np.rot90(draw(clip, pts), -clip.rotation // 90))
    frame = VideoFrame.from_ndarray(coded, format="rgb24").reformat(format=clip.pixel_format)
    frame.pts, frame.time_base = pts, clip.unit
    if pts in clip.times[: clip.in_order]:
        frame.pict_type = PictureType.P
    return frame


@cache
def _background(size: tuple[int, int]) -> Picture:
    width, height = size
    across = np.linspace(60, 180, width, dtype=np.float32)
    down = np.linspace(0, 60, height, dtype=np.float32)
    grey = (across[np.newaxis, :] + down[:, np.newaxis]).astype(np.uint8)
    return np.stack([grey, np.full_like(grey, 110), 255 - grey], axis=2)


@cache
def _texture(seed: int) -> Picture:
    return np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (64, 64))


def _stamp(picture: Picture, box: Box, texture: Picture) -> None:
    height, width, _ = picture.shape
    top, left = round(box.top * height), round(box.left * width)
    rows = np.arange(max(0, top), min(height, ceil(top + box.height * height)))[:, np.newaxis]
    columns = np.arange(max(0, left), min(width, ceil(left + box.width * width)))[np.newaxis, :]
    pattern = texture[(rows - top) // _BLOCK_PX % 64, (columns - left) // _BLOCK_PX % 64]
    picture[rows, columns] = pattern[:, :, np.newaxis]


def _tone(clip: Clip, pitch_hz: int, sample_format: str) -> list[AudioFrame]:
    is_float = "flt" in sample_format
    frames = []
    for start in range(0, int(clip.seconds * _AUDIO_RATE), _AUDIO_FRAME):
        moments = np.arange(start, start + _AUDIO_FRAME) / _AUDIO_RATE
        wave = np.sin(2 * np.pi * pitch_hz * moments)[np.newaxis, :]
        samples = wave.astype(np.float32) if is_float else (wave * 16_000).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples, format="fltp" if is_float else "s16p", layout="mono")
        frame.pts, frame.rate, frame.time_base = start, _AUDIO_RATE, Fraction(1, _AUDIO_RATE)
        frames.append(frame)
    return frames
