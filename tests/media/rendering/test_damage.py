"""Damage in the middle of a video: refused where the decoder notices it, faces held across it where not."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.analysis.face_tracking import track_faces, track_faces_in
from blur_container.reading.timestamps import DecodeRange
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.timing import Section
from blur_container.tracking.review import ReviewReason, review_flags_of
from blur_container.tracking.tracklets import tracklet_graph_of
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.windows import Windows
from chalicelib.contract.errors import DamagedVideo
from chalicelib.contract.faces import Box, Detection, FacesDocument
from tests.clips import Clip, Face, document_of, faces_document, make_clip
from tests.clips.textures import noise
from tests.fuzz.truth import Truth

SETTINGS = RenderSettings(preset="ultrafast", encoder_threads=1)
SIZE, RATE = (320, 180), 25
STREET, ROOM, BROKEN = noise(SIZE, 1, 20, 90, 250), noise(SIZE, 2, 20, 10, 140), noise(SIZE, 3, 20, 0, 110)
FACE = Box(0.4, 0.3, 0.15, 0.3)
_SMALL = Clip(faces=[Face(speed_x=0.2)], size=(160, 96), seconds=0.4)
_X264 = {"preset": "veryfast", "x264-params": "keyint=4:min-keyint=4:scenecut=0"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=4:min-keyint=4:scenecut=0:open-gop=0"}
CODECS = [
    pytest.param("in.mp4", {"codec": "libx265", "options": _X265}, id="hevc"),
    pytest.param("in.mp4", {"codec": "libx264", "options": _X264}, id="h264"),
    pytest.param("in.mp4", {"codec": "mpeg4", "options": {"g": "4"}}, id="mpeg4"),
    pytest.param("in.mov", {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {}}, id="mjpeg"),
    pytest.param("in.mkv", {"codec": "libvpx-vp9", "options": {"g": "4", "cpu-used": "8"}}, id="vp9"),
]


def film(path: Path, *shots: tuple[np.ndarray[Any, Any], int]) -> Path:
    """Write a video of still pictures, each for so many frames, with a face in all but the broken ones."""
    pictures = [shot for shot, frames in shots for _ in range(frames)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "12"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(np.stack([picture] * 3, axis=2), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def seen(*times_ms: int) -> FacesDocument:
    """Return what is seen of a face at rest."""
    return document_of([Detection(time_ms, FACE, 99.0) for time_ms in times_ms])


def uncovered(tracks: Tracks, begin_ms: int, end_ms: int) -> list[int]:
    """Return the frames from a moment to another in which nothing is covered."""
    return [time_ms for time_ms in range(begin_ms, end_ms, 1000 // RATE) if not tracks.boxes_at(time_ms)]


def damaged(path: Path, content: bytes, number: int, chance: random.Random) -> bytes:
    """Return `content`, which lies at `path`, with some bytes of one packet of its video changed."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
    packet, mutant = packets[number], bytearray(content)
    begin = content.index(packet)
    for _ in range(chance.choice((1, 3, 10))):
        mutant[begin + chance.randrange(len(packet) // 3, len(packet))] = chance.randrange(256)
    return bytes(mutant)


def ending(folder: Path, clip: Clip, content: bytes, mutant: bytes, name: str) -> str:
    """Return how a mutant of a clip ends: refused, or what is wrong with its output, or nothing."""
    source, target = folder / f"mutant-{name}", folder / "out.mp4"
    source.write_bytes(mutant)
    try:
        redact_video(source, target, faces_document(clip), SETTINGS, lambda _progress: None)
    except DamagedVideo:
        return "refused"
    outputs = {"clip.mp4": target.read_bytes(), "clip.mp4.manifest.json": b""}
    return Truth(clip, content, mutant).complaint(outputs, folder)


@pytest.mark.parametrize(("name", "options"), CODECS)
def test_no_face_is_bare_around_changed_bytes(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    """Whether the decoder notices them, as mostly in H.264 and MPEG-4, or not, as in HEVC and VP9."""
    clip = replace(_SMALL, **options)
    path = make_clip(tmp_path / name, clip)
    content = path.read_bytes()

    mutants = [damaged(path, content, 1 + seed % 9, random.Random(seed)) for seed in range(12)]  # noqa: S311

    endings = [ending(tmp_path, clip, content, mutant, name) for mutant in mutants]
    assert set(endings) <= {"refused", ""}
    assert "refused" in endings


def test_face_is_held_across_a_broken_stretch(tmp_path: Path) -> None:
    """A face seen before a broken stretch stays covered until its end, without a later sample."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 10), (STREET, 65))

    tracks = track_faces(source, seen(2500), SETTINGS)

    assert uncovered(tracks, 2500, 3400 + 500) == []


def test_face_is_held_back_across_a_broken_stretch(tmp_path: Path) -> None:
    """A face first seen after a broken stretch is covered from the start of the stretch."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 10), (STREET, 65))

    tracks = track_faces(source, seen(3520), SETTINGS)

    assert uncovered(tracks, 3000 - 500, 3520) == []


def test_face_is_held_through_a_broken_stretch_longer_than_its_hold(tmp_path: Path) -> None:
    """A broken stretch extends a hold until the next keyframe."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 45), (STREET, 65))

    tracks = track_faces(source, seen(2920), SETTINGS)

    assert uncovered(tracks, 2920, 4800 + 500) == []


def test_face_across_a_broken_stretch_is_covered_wider(tmp_path: Path) -> None:
    """Within a broken stretch the box grows, because the face may have moved."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 10), (STREET, 65))

    tracks = track_faces(source, seen(2500, 3500), SETTINGS)

    assert max(box.width for box in tracks.boxes_at(3200)) > 1.3 * max(
        box.width for box in tracks.boxes_at(2500)
    )


def test_broken_stretch_is_to_be_looked_at(tmp_path: Path) -> None:
    """The review list contains the time of the broken stretch and the place of the face."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 10), (STREET, 65))

    flags = review_flags_of(track_faces(source, seen(2500, 3500), SETTINGS), 6000.0)

    told = [flag for flag in flags if flag.kind is ReviewReason.DAMAGED_PICTURE]
    assert [(flag.from_ms, flag.to_ms) for flag in told] == [(2960, 3400)]
    assert told[0].box.left < FACE.left < told[0].box.right


def test_broken_first_group_does_not_end_a_hold(tmp_path: Path) -> None:
    """A face is held through a broken first group of pictures."""
    source = film(tmp_path / "in.mp4", (BROKEN, 6), (ROOM, 6), (STREET, 65))

    tracks = track_faces(source, seen(360), SETTINGS)

    assert uncovered(tracks, 360, 900) == []


def test_broken_last_group_does_not_end_a_hold(tmp_path: Path) -> None:
    """A face is held through a broken last group of pictures."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (BROKEN, 10))

    tracks = track_faces(source, seen(2920), SETTINGS)

    assert uncovered(tracks, 2920, 3400) == []


def test_cut_to_another_shot_still_ends_a_hold(tmp_path: Path) -> None:
    """A lasting change of the picture is a cut, which ends a hold."""
    source = film(tmp_path / "in.mp4", (STREET, 75), (ROOM, 75))

    tracks = track_faces(source, seen(2920), SETTINGS)

    assert uncovered(tracks, 3000, 3500) == list(range(3000, 3500, 40))
    assert ReviewReason.DAMAGED_PICTURE not in {flag.kind for flag in review_flags_of(tracks, 6000.0)}


def test_segments_hold_faces_across_a_broken_stretch_as_one_piece_does(tmp_path: Path) -> None:
    """Wherever the video is cut: before the stretch, in it, or behind it."""
    source = film(tmp_path / "in.mp4", (STREET, 150), (BROKEN, 30), (STREET, 150))
    faces = seen(1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 5500, 8000, 8500)
    windows, whole = Windows(tracklet_graph_of(faces, SETTINGS)), track_faces(source, faces, SETTINGS)

    parts = [Section(float(begin_ms), begin_ms + 1500.0) for begin_ms in range(0, 13_500, 1500)]

    found = [boxes(track_faces_in(source, faces.video, windows.of(part), SETTINGS), part) for part in parts]
    assert found == [boxes(whole, part) for part in parts]


def boxes(tracks: Tracks, part: Section) -> list[list[Box]]:
    """Return the boxes of each frame of a section, in an order of their own."""
    return [
        sorted(tracks.boxes_at(time_ms), key=repr) for time_ms in range(0, 13_500, 40) if part.holds(time_ms)
    ]


def test_damage_behind_an_open_keyframe_is_refused_as_elsewhere(tmp_path: Path) -> None:
    """HEVC: its decoder marks no frame as corrupt, so it must not be told to go on."""
    groups = "log-level=none:keyint=10:min-keyint=10:scenecut=0:open-gop=1:bframes=3:b-adapt=0"
    clip = replace(
        _SMALL, seconds=2.0, codec="libx265", options={"preset": "ultrafast", "x265-params": groups}
    )
    path = make_clip(tmp_path / "in.mp4", clip)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    keys = [(number, packet) for number, packet in enumerate(packets) if packet.is_keyframe]
    number, key = keys[2]
    assert key.pts is not None
    assert key.dts is not None
    span = DecodeRange(key.pts, key.dts, key.pts, open=True)
    content, spans = path.read_bytes(), [span, replace(span, open=False)]

    mutants = [damaged(path, content, number + 3 + seed % 20, random.Random(seed)) for seed in range(30)]  # noqa: S311

    behind_open, elsewhere = (
        [is_refused(tmp_path / "mutant.mp4", mutant, one) for mutant in mutants] for one in spans
    )
    assert behind_open == elsewhere
    assert any(elsewhere)
    assert not is_refused(tmp_path / "mutant.mp4", content, span)


def is_refused(path: Path, content: bytes, span: DecodeRange) -> bool:
    """Return whether a span of a video is taken for damaged."""
    path.write_bytes(content)
    with open_source(path) as container:
        try:
            return not list(decoded_frames(container, video_stream(container), 1, decode_range=span))
        except DamagedVideo:
            return True
