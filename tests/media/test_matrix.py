"""The matrix: codecs x containers x rotations x frame rates x pixel formats, in pairs rather than in full.

Every output is opened again: streams, times, tags, sound, and the picture outside and inside the masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import pytest

from blur_container.redact import redact_video
from blur_container.rendering import Progress
from blur_container.settings import RenderSettings
from blur_container.verify import verify_output
from tests.clips import Clip, Face, faces_document, make_clip
from tests.media.reading import (
    audio_packets,
    audio_starts,
    detail,
    psnr_outside,
    shown_frames,
    video_times,
)

GONE = 14.0  # Faces of the clips show 60 and more.
LIKE_DB = 40.0
SDR, WIDE, FULL = (1, 1, 1, 1), (1, 9, 16, 9), (2, 1, 1, 1)
CLIP = Clip(faces=[Face(left=0.1, top=0.2, width=0.25, height=0.4, speed_x=0.5)], size=(160, 120), color=SDR)


@dataclass(frozen=True)
class Codec:
    """A codec with the containers and pixel formats that it is met in."""

    name: str
    suffixes: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


CODECS = (
    Codec(
        "libx264",
        ("mp4", "mov", "mkv"),
        ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le"),
        (("preset", "ultrafast"), ("crf", "10"), ("bf", "2")),
    ),
    Codec(
        "libx265",
        ("mp4", "mov", "mkv"),
        ("yuv420p", "yuv420p10le", "yuv422p10le"),
        (("preset", "ultrafast"), ("crf", "10"), ("x265-params", "log-level=none")),
    ),
    Codec(
        "libvpx-vp9",
        ("webm", "mp4", "mkv"),
        ("yuv420p", "yuv444p"),
        (("deadline", "realtime"), ("cpu-used", "8"), ("crf", "4"), ("b", "0")),
    ),
    Codec(
        "libsvtav1",
        ("mp4", "webm", "mkv"),
        ("yuv420p", "yuv420p10le"),
        (("preset", "10"), ("crf", "10")),
    ),
    Codec("mjpeg", ("mov", "mkv"), ("yuvj420p", "yuvj422p", "yuvj444p"), (("qmin", "2"), ("qmax", "2"))),
    Codec("prores_ks", ("mov", "mkv"), ("yuv422p10le", "yuv444p10le"), ()),
)
ROTATIONS = (0, 90, 180, 270)
RATES = {
    "29.97": Clip(frame_rate=Fraction(30000, 1001), seconds=0.4),
    "25": Clip(frame_rate=Fraction(25), time_base=Fraction(1, 12800), seconds=0.4),
    "variable": Clip(pts=(0, 20, 70, 75, 130, 190, 200, 290, 300), time_base=Fraction(1, 600)),
    "late": Clip(pts=range(45000, 81000, 3003), time_base=Fraction(1, 90000)),
}


def cases() -> Iterator[object]:
    """Yield four clips for each codec: each rotation and each frame rate once, in another pairing."""
    for shift, codec in enumerate(CODECS):
        rates = islice(cycle(RATES), shift, shift + len(ROTATIONS))
        rows = zip(ROTATIONS, rates, cycle(codec.suffixes), cycle(codec.pixel_formats), strict=False)
        for rotation, rate, suffix, pixels in rows:
            name = "-".join((codec.name, suffix, str(rotation), rate, pixels))
            yield pytest.param(suffix, clip_of(codec, rotation, rate, pixels, suffix), id=name)


def clip_of(codec: Codec, rotation: int, rate: str, pixels: str, suffix: str) -> Clip:
    """Return the clip of one row."""
    timed = replace(
        CLIP,
        frame_rate=RATES[rate].frame_rate,
        time_base=RATES[rate].time_base,
        pts=RATES[rate].pts,
        seconds=RATES[rate].seconds,
    )
    return replace(
        timed,
        rotation=rotation,
        size=CLIP.size[::-1] if rotation % 180 else CLIP.size,
        codec=codec.name,
        pixel_format=pixels,
        options=dict(codec.options),
        color=color_of(pixels),
        # WebM holds no AAC.
        audio=() if suffix == "webm" else ("aac", "aac"),
    )


def color_of(pixels: str) -> tuple[int, int, int, int]:
    """Return the tags of one row: deep video is HDR here, JPEG has full range."""
    if pixels.startswith("yuvj"):
        return FULL
    return WIDE if pixels.endswith("10le") else SDR


def ignore(_: Progress) -> None:
    """Take progress and say nothing."""


def looks(path: Path) -> tuple[object, ...]:
    """Return how the first frame is meant to be shown: tags, depth, rotation, shape of pixels."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(video=0))
        color = frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace
        deep = frame.format.components[0].bits > 8
        return color, deep, frame.rotation, frame.width, frame.height, stream.sample_aspect_ratio or 1


@pytest.mark.parametrize(("suffix", "clip"), list(cases()))
def test_matrix(tmp_path: Path, suffix: str, clip: Clip) -> None:
    """Whatever comes in, all but the faces comes out as it was."""
    source, target = make_clip(tmp_path / f"in.{suffix}", clip), tmp_path / "out.mp4"

    report = redact_video(source, target, faces_document(clip, interval_ms=1), RenderSettings(), ignore)

    verify_output(target, report)
    before, after = shown_frames(source), shown_frames(target)
    faces = [clip.boxes(pts) for pts in clip.times]
    rows = list(zip(faces, before, after, strict=True))
    assert video_times(target) == [frame.time for frame in before]
    assert looks(target) == looks(source)
    assert audio_packets(target) == audio_packets(source)
    assert audio_starts(target) == audio_starts(source)
    assert min(psnr_outside(old.luma, new.luma, boxes, margin=0.6) for boxes, old, new in rows) >= LIKE_DB
    assert min(detail(old.luma, boxes[0]) for boxes, old, _ in rows) > 50
    assert max(detail(new.luma, boxes[0]) for boxes, _, new in rows) < GONE
