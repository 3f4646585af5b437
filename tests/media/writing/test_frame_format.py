"""Frames on their way: read ahead in a thread, edited without harm to the decoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from blur_container.reading.prefetch import read_ahead
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.settings import OutputCodec
from blur_container.writing.frame_format import PlanarFrames, editable_planes
from blur_container.writing.output_format import output_format_of
from chalicelib.contract.errors import DamagedVideo
from tests.checks.readback import Luma
from tests.clips import Clip, Face, make_clip


def numbers(count: int) -> Generator[int, None, None]:
    """Yield 0, 1, ... below `count`."""
    yield from range(count)


def broken(count: int) -> Generator[int, None, None]:
    """Yield `count` numbers, then fail."""
    yield from range(count)
    raise DamagedVideo("torn")


def readers() -> list[threading.Thread]:
    """Return the reader threads that live."""
    return [thread for thread in threading.enumerate() if thread.name == "reader"]


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_read_ahead_yields_everything_in_order(count: int) -> None:
    """Prefetching yields every entry in order, whatever the size of the queue."""
    assert list(read_ahead(numbers(count), depth=4)) == list(range(count))
    assert readers() == []


def test_error_of_the_source_surfaces_after_what_came_before() -> None:
    """The reader's error is raised where the frames are used, as itself."""
    seen: list[int] = []

    with pytest.raises(DamagedVideo, match="torn"):
        seen.extend(read_ahead(broken(10), depth=3))

    assert readers() == []


def test_closing_early_ends_a_reader_that_waits_for_room() -> None:
    """A full queue does not keep the thread alive."""
    with closing(read_ahead(numbers(10_000), depth=2)) as ahead:
        assert next(ahead) == 0

    assert readers() == []


def test_edited_frames_do_not_change_later_ones(tmp_path: Path) -> None:
    """Overwriting a yielded frame does not change later frames."""
    # Without B-frames each frame comes out at once, and the next is predicted from it.
    clip = Clip(faces=[Face(speed_x=0.3)], options={"preset": "veryfast", "bf": "0"})
    source = make_clip(tmp_path / "in.mp4", clip)

    untouched = decoded_luma(source, leave)
    found = decoded_luma(source, wipe)

    assert len(found) == 30
    assert all(np.array_equal(one, two) for one, two in zip(found, untouched, strict=True))


def leave(_: VideoFrame) -> None:
    """Change nothing."""


def wipe(frame: VideoFrame) -> None:
    """Blacken a frame in place."""
    for plane in editable_planes(frame):
        plane[:] = 0


def decoded_luma(source: Path, edit: Callable[[VideoFrame], None]) -> list[Luma]:
    """Return the luma of every frame; `edit` gets each before the next is decoded."""
    copies: list[Luma] = []
    with open_source(source) as container:
        for frame in decoded_frames(container, video_stream(container), threads=1):
            copies.append(np.array(frame.to_ndarray()[: frame.height], dtype=np.uint8))
            edit(frame)
    return copies


def test_planar_frames_are_not_copied(tmp_path: Path) -> None:
    """A frame that is 4:2:0 already is not converted."""
    source = make_clip(tmp_path / "in.mp4", Clip(seconds=0.1))

    with open_source(source) as container:
        stream = video_stream(container)
        frame = next(decoded_frames(container, stream, threads=1))
        planar = PlanarFrames(frame, output_format_of(frame, stream, OutputCodec.AUTO))

        assert planar.padded(planar.convert(frame)) is frame
