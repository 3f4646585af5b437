"""Limits: what would take the function down is refused by name before it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blur_container.limits import Limits
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from chalicelib.contract.errors import VideoTooLarge
from tests.checks.segmented import ignore
from tests.clips import Clip, document_of, make_clip

SMALL = Clip(size=(64, 48), seconds=0.3, audio=["aac"])
LIMITS = Limits()


def refuse(source: Path, limits: Limits = LIMITS) -> str:
    """Render `source`, expecting a limit to be passed; return what the error says."""
    target = source.with_name("out.mp4")
    with pytest.raises(VideoTooLarge) as raised:
        redact_video(source, target, document_of([]), RenderSettings(limits=limits), ignore)
    assert not target.exists()
    return str(raised.value)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param(replace(LIMITS, side_px=63), "64x48", id="side"),
        pytest.param(replace(LIMITS, frame_px=64 * 47), "64x48", id="pixels"),
        pytest.param(replace(LIMITS, streams=1), "streams", id="streams"),
        pytest.param(replace(LIMITS, packet_bytes=100), "packet", id="packet"),
        pytest.param(replace(LIMITS, duration_s=0), "limit is 0 s", id="duration"),
    ],
)
@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_each_limit_has_its_words(tmp_path: Path, name: str, limits: Limits, words: str) -> None:
    """The error tells what was found and what is allowed."""
    assert words in refuse(make_clip(tmp_path / name, SMALL), limits)


@pytest.mark.parametrize("size", [(8194, 64), (64, 8194), (8192, 4320)])
def test_frame_over_8k_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """A frame over 8K is refused before a decoder allocates it."""
    clip = Clip(size=size, codec="mjpeg", pixel_format="yuvj420p", options={}, pts=[0])

    refuse(make_clip(tmp_path / "in.mov", clip))


def test_frames_that_grow_behind_the_header_are_refused(tmp_path: Path) -> None:
    """The header says 64x48, the packets hold more: the decoder makes no room for them."""
    large = make_clip(
        tmp_path / "large.mkv",
        Clip(size=(640, 480), codec="mjpeg", pixel_format="yuvj420p", options={}, pts=[0, 1]),
    )
    source = tmp_path / "in.mkv"
    with av.open(str(large)) as whole, av.open(str(source), "w") as target:
        stream = target.add_mux_stream("mjpeg", rate=30, width=64, height=48)
        for packet in whole.demux(video=0):
            packet.stream = stream
            target.mux([packet] if packet.size else [])

    refuse(source, replace(LIMITS, frame_px=320 * 480))


def never_ending(path: Path) -> Path:
    """Write two frames a day apart, in a container that tells no duration."""
    clip = Clip(size=(64, 48), pts=[0, 24 * 3600], time_base=Fraction(1), options={"bf": "0"})
    return make_clip(path, replace(clip, container_options={"live": "1"}))


def far_away(path: Path) -> Path:
    """Write frames that begin after a hundred days."""
    begin = 100 * 24 * 3600
    clip = Clip(size=(64, 48), pts=[begin, begin + 1], time_base=Fraction(1), options={"bf": "0"})
    return make_clip(path, clip)


@pytest.mark.parametrize("make", [never_ending, far_away])
def test_times_out_of_bounds_are_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A container's word for its duration need not be true."""
    refuse(make(tmp_path / "in.mkv"))


def with_fonts(path: Path, count: int) -> Path:
    """Write a clip to `path` with so many fonts attached, as for subtitles of films."""
    clip = make_clip(path.with_name("plain.mp4"), SMALL)
    with av.open(str(clip)) as plain, av.open(str(path), "w") as container:
        twins = [container.add_stream_from_template(stream) for stream in plain.streams]
        for number in range(count):
            container.add_attachment(f"{number}.ttf", "application/x-truetype-font", b"font")
        for packet in plain.demux():
            packet.stream = twins[packet.stream.index]
            container.mux([packet] if packet.size else [])
    return path


def test_fonts_of_a_film_are_no_streams(tmp_path: Path) -> None:
    """Films of Matroska carry dozens; none of them is played or kept."""
    source = with_fonts(tmp_path / "in.mkv", 60)

    report = redact_video(source, tmp_path / "out.mp4", document_of([]), RenderSettings(), ignore)

    assert [stream.kind for stream in report.dropped_streams] == ["attachment"] * 60


def test_fonts_without_end_are_refused(tmp_path: Path) -> None:
    """Each is held in memory."""
    assert "attachments" in refuse(with_fonts(tmp_path / "in.mkv", 12), replace(LIMITS, attachments=10))
