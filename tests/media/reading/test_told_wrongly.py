"""What headers tell wrongly and players do not believe: lengths, keyframes, matrices, the order of frames."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from blur_container.settings import RenderSettings
from tests.checks.readback import audio_packets, shown_frames, video_times, worst_detail
from tests.checks.segmented import SETTINGS, WAYS, render, render_as_planned
from tests.clips import Clip, Face, faces_document, make_clip, seen_until
from tests.clips.extra_streams import Extras, with_extras
from tests.clips.mp4_edits import patched, payload_of, replaced
from tests.clips.parameter_sets import without_reorder_hint

GONE = 14.0  # Faces of the clips show 60 and more.
IN_ORDER = {"preset": "veryfast", "crf": "12", "bf": "0", "x264-params": "keyint=10:scenecut=0"}
B_FRAMES = {"preset": "veryfast", "crf": "12", "x264-params": "keyint=10:scenecut=0:bframes=3:b-adapt=0"}
CLIP = Clip(faces=[Face(speed_x=0.2)], seconds=2.0, frame_rate=Fraction(20), options=B_FRAMES)
SMART = RenderSettings(smart_render=True)
SHOWN = [Fraction(number, 20) for number in range(40)]
NONE, NOTHING = b"\xff" * 4, bytes(4)


def with_lengths(content: bytes, movie: bytes, media: bytes) -> bytes:
    """Return `content`, of two tracks, with these durations in its headers."""
    content = patched(content, b"mvhd", 16, movie)
    for track in (0, 1):
        content = patched(content, b"tkhd", 20, movie, track)
        content = patched(content, b"mdhd", 16, media, track)
    return content


def in_movie_units(content: bytes) -> bytes:
    """Return `content` as Chrome's MediaRecorder writes it: the media's duration in the movie's unit."""
    return patched(content, b"mdhd", 16, payload_of(content, b"mvhd")[16:20])


def of_the_first_part(content: bytes) -> bytes:
    """Return a Matroska file that tells 300 ms, and no lengths of tracks."""
    at = content.index(b"\x44\x89\x88") + 3
    content = content[:at] + struct.pack(">d", 300.0) + content[at + 8 :]
    return content.replace(b"DURATION", b"DURATIOM")


def with_edits_of_length_zero(content: bytes) -> bytes:
    """Return `content`, of two tracks, whose edits begin as before and have length zero."""
    for track in (0, 1):
        content = patched(content, b"elst", 8, NOTHING, track)
    return content


LENGTHS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "zero": ("in.mp4", lambda content: with_lengths(content, NOTHING, NOTHING)),
    "unknown": ("in.mov", lambda content: with_lengths(content, NONE, NONE)),
    "in the movie's unit": ("in.mp4", in_movie_units),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", LENGTHS)
def test_a_length_that_ends_before_the_last_packet_is_not_believed(
    tmp_path: Path, kind: str, way: str
) -> None:
    """All frames are there, the last one until its end, with the sound; no face is seen."""
    name, wrong = LENGTHS[kind]
    source = make_clip(tmp_path / name, replace(CLIP, audio=["aac"]))
    source.write_bytes(wrong(source.read_bytes()))

    report = WAYS[way](source, faces_document(CLIP))

    target = tmp_path / "out.mp4"
    assert (video_times(target), report.file.duration_ms) == (SHOWN, 2000)
    assert audio_packets(target) == audio_packets(source)
    assert worst_detail(target, CLIP) < GONE


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_of_length_zero_ends_with_its_track(tmp_path: Path, way: str) -> None:
    """FFmpeg shows nothing of such a track; here all of its frames and packets are kept."""
    sound = replace(CLIP, audio=["aac"])
    whole, source = make_clip(tmp_path / "whole.mp4", sound), tmp_path / "in.mp4"
    source.write_bytes(with_edits_of_length_zero(whole.read_bytes()))

    report = WAYS[way](source, faces_document(CLIP))

    target = tmp_path / "out.mp4"
    assert (video_times(target), report.file.duration_ms) == (SHOWN, 2000)
    assert audio_packets(target) == audio_packets(whole)
    assert worst_detail(target, CLIP) < GONE


def test_a_length_of_matroska_that_is_too_short_is_not_believed(tmp_path: Path) -> None:
    """It has no index of all its packets to contradict it."""
    source = make_clip(tmp_path / "in.mkv", CLIP)
    source.write_bytes(of_the_first_part(source.read_bytes()))

    report = render(source, faces_document(CLIP))

    assert (video_times(tmp_path / "out.mp4"), report.file.duration_ms) == (SHOWN, 2000)
    assert worst_detail(tmp_path / "out.mp4", CLIP) < GONE


def with_keyframes(content: bytes, *numbers: int) -> bytes:
    """Return `content` with an index that calls these samples keyframes."""
    return replaced(content, b"stss", struct.pack(f">{2 + len(numbers)}I", 0, len(numbers), *numbers))


HEVC = {"preset": "ultrafast", "crf": "12", "x265-params": "keyint=10:bframes=2:log-level=none"}
KEYFRAMES: dict[str, tuple[Clip, Callable[[bytes], bytes]]] = {
    "all samples": (CLIP, lambda content: content.replace(b"stss", b"free")),
    "all samples, in order": (
        replace(CLIP, options=IN_ORDER),
        lambda content: content.replace(b"stss", b"free"),
    ),
    "all samples, HEVC": (
        replace(CLIP, codec="libx265", options=HEVC),
        lambda content: content.replace(b"stss", b"free"),
    ),
    "others": (CLIP, lambda content: with_keyframes(content, 1, 4, 14, 15, 22, 33)),
    "others and true ones": (CLIP, lambda content: with_keyframes(content, 1, 9, 11, 12, 21, 30, 31)),
}


@pytest.mark.parametrize("settings", [SETTINGS, SMART], ids=["full", "smart"])
@pytest.mark.parametrize("kind", KEYFRAMES)
def test_frames_that_are_called_keyframes_and_are_none_begin_no_segment(
    tmp_path: Path, kind: str, settings: RenderSettings
) -> None:
    """The video is cut at true ones, or stays whole; either way every frame is there and no face seen."""
    clip, wrong = KEYFRAMES[kind]
    source = make_clip(tmp_path / "in.mp4", clip)
    source.write_bytes(wrong(source.read_bytes()))

    render_as_planned(source, faces_document(clip), settings)

    assert video_times(tmp_path / "out.mp4") == SHOWN
    assert worst_detail(tmp_path / "out.mp4", CLIP) < GONE


@pytest.mark.parametrize("name", ["in.mp4", "in.mov"])
def test_a_matrix_of_zeros_turns_nothing(tmp_path: Path, name: str) -> None:
    """Players show such a video as it is coded; the output says no more about it than that."""
    source = make_clip(tmp_path / name, CLIP)
    source.write_bytes(patched(source.read_bytes(), b"tkhd", 40, bytes(36)))

    render(source, faces_document(CLIP))

    assert [frame.time for frame in shown_frames(tmp_path / "out.mp4")] == SHOWN
    assert worst_detail(tmp_path / "out.mp4", CLIP) < GONE


# References ahead of what they are needed for come after two seconds only: FFmpeg guesses before.
LATE_ORDER = {
    "preset": "veryfast",
    "crf": "12",
    "x264-params": "keyint=40:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal:ref=4",
}
LATE = replace(CLIP, seconds=6.0, options=LATE_ORDER, in_order=60)
ORDERS: dict[str, tuple[str, dict[str, str]]] = {
    "Matroska": ("in.mkv", {}),
    "fragments": ("in.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "MP4": ("in.mp4", {}),
}


@pytest.mark.parametrize("settings", [SETTINGS, SMART], ids=["full", "smart"])
@pytest.mark.parametrize("kind", ORDERS)
def test_no_frame_is_lost_where_reordered_frames_come_late_and_untold(
    tmp_path: Path, kind: str, settings: RenderSettings
) -> None:
    """A decoder that guesses by the first frames drops one; waiting for as many as may come drops none."""
    name, options = ORDERS[kind]
    plain = make_clip(tmp_path / "plain.mp4", LATE)
    plain.write_bytes(without_reorder_hint(plain.read_bytes()))
    source = with_extras(plain, tmp_path / name, Extras(container_options=options))

    render_as_planned(source, seen_until(500, faces_document(LATE)), settings)

    begin, *_ = times = video_times(tmp_path / "out.mp4")
    assert [time - begin for time in times] == [Fraction(number, 20) for number in range(120)]
    assert worst_detail(tmp_path / "out.mp4", LATE, begin + Fraction(1, 2)) < GONE
