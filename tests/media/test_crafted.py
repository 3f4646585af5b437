"""Crafted MP4: counts, sizes and nesting that no camera writes end by name, in little memory and time."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clips import Clip, make_clip

MEGABYTES = 1024
WHOLE = "30 frames"
REFUSED = {"DamagedVideo", "NotAVideo", "NoVideoStream", "UnsupportedVideo", "VideoTooLarge"}
HUGE = 0x0FFFFFFF

Craft = Callable[[bytes], bytes]


def with_number(box: bytes, offset: int, number: int) -> Craft:
    """Return what writes `number` into a box, `offset` bytes behind its name; 32 bits, the first such box."""

    def craft(content: bytes) -> bytes:
        begin = content.index(box) + len(box) + offset
        return content[:begin] + struct.pack(">I", number) + content[begin + 4 :]

    return craft


def nested(content: bytes) -> bytes:
    """Return boxes in boxes, twenty thousand deep."""
    depth = 20_000
    sizes = (struct.pack(">I", 8 * (depth - level)) + b"moov" for level in range(depth))
    return content[: content.index(b"moov") - 4] + b"".join(sizes)


CRAFTS: dict[str, Craft] = {
    "more sizes than bytes": with_number(b"stsz", 8, HUGE),
    "two billion samples of one byte": lambda content: with_number(b"stsz", 8, 0x7FFFFFFF)(
        with_number(b"stsz", 4, 1)(content)
    ),
    "more times than bytes": with_number(b"stts", 4, HUGE),
    "two billion frames of one length": with_number(b"stts", 8, 0x7FFFFFFF),
    "more shifts than bytes": with_number(b"ctts", 4, HUGE),
    "more chunks than bytes": with_number(b"stco", 4, HUGE),
    "more chunk runs than bytes": with_number(b"stsc", 4, HUGE),
    "a run of two billion samples": with_number(b"stsc", 12, 0x7FFFFFFF),
    "more edits than bytes": with_number(b"elst", 4, HUGE),
    "chunks behind the end": with_number(b"stco", 8, 0xFFFFFF00),
    "an index that ends before it begins": with_number(b"moov", -8, 4),
    "a track that is larger than the file": with_number(b"trak", -8, 0xFFFFFFF0),
    "boxes in boxes in boxes": nested,
    "frames of 65535 x 65535": with_number(b"avc1", 24, 0xFFFFFFFF),
    "references to another file": lambda content: content.replace(b"url \0\0\0\1", b"url \0\0\0\0"),
}


@pytest.mark.parametrize("craft", CRAFTS)
def test_crafted_boxes_end_by_name_in_little_memory(tmp_path: Path, craft: str) -> None:
    """A crafted box raises a named error in little memory, or does not matter and the video is read."""
    content = make_clip(tmp_path / "clip.mp4", Clip(seconds=1, audio=["aac"])).read_bytes()
    crafted = tmp_path / "crafted.mp4"
    crafted.write_bytes(CRAFTS[craft](content))
    command = [sys.executable, "-m", "tests.checks.limited_memory", str(crafted), str(MEGABYTES)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() in {WHOLE, *REFUSED}
