"""The matrix of videos: codecs x containers x rotations x frame rates x pixel formats x sound, and one check.

`python -m tests.checks.matrix [FILES] [SEED]` renders that many, chosen at random (1,000, seed 1), two
at a time, and prints each that is not right. `test_matrix.py` takes some in pairs.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from chalicelib.contract.errors import FaceBlurError
from tests.checks.readback import audio_packets, audio_starts, detail, psnr_outside, shown_frames, video_times
from tests.checks.segmented import render
from tests.clips import Clip, Face, faces_document, make_clip

GONE = 14.0  # Faces of the clips show 60 and more.
LIKE_DB = 40.0
RIGHT = "right"
SDR, WIDE, FULL = (1, 1, 1, 1), (1, 9, 16, 9), (2, 1, 1, 1)
CLIP = Clip(faces=[Face(left=0.1, top=0.2, width=0.25, height=0.4, speed_x=0.5)], size=(160, 120), color=SDR)


@dataclass(frozen=True)
class Codec:
    """A codec with its usual containers and pixel formats."""

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
SOUNDS = {"silent": (), "one": ("aac",), "two": ("aac", "aac")}


@dataclass(frozen=True)
class Row:
    """One video of the matrix."""

    name: str
    suffix: str
    clip: Clip


def every_row() -> Iterator[Row]:
    """Yield the matrix in full; WebM holds no AAC, so its videos are silent."""
    for codec in CODECS:
        for suffix in codec.suffixes:
            sounds = ("silent",) if suffix == "webm" else tuple(SOUNDS)
            for pixels in codec.pixel_formats:
                for rotation in ROTATIONS:
                    for rate in RATES:
                        yield from (row_of(codec, rotation, rate, pixels, suffix, sound) for sound in sounds)


def row_of(codec: Codec, rotation: int, rate: str, pixels: str, suffix: str, sound: str) -> Row:
    """Return one row: a moving face at this rate, turned, coded and named so."""
    timed = replace(
        CLIP,
        frame_rate=RATES[rate].frame_rate,
        time_base=RATES[rate].time_base,
        pts=RATES[rate].pts,
        seconds=RATES[rate].seconds,
    )
    clip = replace(
        timed,
        rotation=rotation,
        size=CLIP.size[::-1] if rotation % 180 else CLIP.size,
        codec=codec.name,
        pixel_format=pixels,
        options=dict(codec.options),
        color=color_of(pixels),
        audio=SOUNDS[sound],
    )
    return Row("-".join((codec.name, suffix, str(rotation), rate, pixels, sound)), suffix, clip)


def color_of(pixels: str) -> tuple[int, int, int, int]:
    """Return the tags of a pixel format: 10 bits are HDR here, JPEG has full range."""
    if pixels.startswith("yuvj"):
        return FULL
    return WIDE if pixels.endswith("10le") else SDR


def check_row(folder: Path, row: Row) -> None:
    """Render the video of `row` in `folder` and assert that all but the face comes out as it was."""
    source, target = make_clip(folder / f"in.{row.suffix}", row.clip), folder / "out.mp4"

    render(source, faces_document(row.clip, interval_ms=1))

    before, after = shown_frames(source), shown_frames(target)
    faces = [row.clip.boxes(pts) for pts in row.clip.times]
    pairs = list(zip(faces, before, after, strict=True))
    assert video_times(target) == [frame.time for frame in before]
    assert looks(target) == looks(source)
    assert audio_packets(target) == audio_packets(source)
    assert audio_starts(target) == audio_starts(source)
    assert min(psnr_outside(old.luma, new.luma, boxes, margin=0.6) for boxes, old, new in pairs) >= LIKE_DB
    assert min(detail(old.luma, boxes[0]) for boxes, old, _ in pairs) > 50
    assert max(detail(new.luma, boxes[0]) for boxes, _, new in pairs) < GONE


def looks(path: Path) -> tuple[object, ...]:
    """Return how the first frame is to be shown: tags, depth, rotation, shape of pixels."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(video=0))
        color = frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace
        deep = frame.format.components[0].bits > 8
        return color, deep, frame.rotation, frame.width, frame.height, stream.sample_aspect_ratio or 1


def ending(row: Row) -> tuple[str, str]:
    """Return the name of `row` and how its rendering ended: right, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            check_row(Path(folder), row)
        except FaceBlurError as error:
            return row.name, f"refused by name: {type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 whatever it is, it is a find, and the next row is tried
            return row.name, f"FIND {type(error).__name__}: {error}"
    return row.name, RIGHT


def main(files: int, seed: int) -> int:
    """Render `files` of the matrix; print how they ended; return 1 where one did not come out right."""
    rows, begin_s = list(every_row()), time.monotonic()
    random.Random(seed).shuffle(rows)  # noqa: S311 chosen at random, the same for the same seed
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(2) as pool:
        for name, ended in pool.map(ending, rows[:files]):
            counts[ended.split(":")[0]] += 1
            if ended != RIGHT:
                print(f"{name}: {ended}", flush=True)
    told = ", ".join(f"{ended} {count}" for ended, count in counts.most_common())
    print(f"{counts.total()} of {len(rows)} videos, {time.monotonic() - begin_s:.0f} s: {told}")
    return 0 if counts[RIGHT] == counts.total() else 1


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*[*given, *(1000, 1)[len(given) :]]))
