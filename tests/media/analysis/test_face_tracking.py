"""Face tracking: every frame of a face is covered in clips with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.analysis.face_tracking import track_faces
from blur_container.geometry import Picture
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.settings import RenderSettings
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.errors import DamagedVideo
from chalicelib.contract.faces import Box, Detection
from chalicelib.contract.job import DetectionMode
from tests.clips import Clip, document_of, make_clip
from tests.clips.portraits import NO_FACE, SIZE, PortraitClip, make_portrait_clip
from tests.clips.textures import noise

SETTINGS = RenderSettings()
FACE = (0.12, 0.2)  # Width and height, in fractions of the displayed frame.
LEFT_OUT = "bframes=3:b-adapt=0:b-pyramid=normal:ref=4:scenecut=0"


def scene(clip: Clip, place: tuple[float, float] | None, shot: int) -> Picture:
    """Return grey (height, width) as displayed: the face at left, top over the background of a shot."""
    width, height = clip.size
    picture: Picture = noise(clip.size, 10 + shot, 6) // np.uint8(1 + shot % 2 * 3)
    if place is not None:
        face_px = round(FACE[0] * width), round(FACE[1] * height)
        matrix = np.array([[1, 0, place[0] * width], [0, 1, place[1] * height]], np.float32)
        face = noise(face_px, 5, 2)
        cv2.warpAffine(face, matrix, clip.size, picture, borderMode=cv2.BORDER_TRANSPARENT)
    return picture


def film(
    path: Path, clip: Clip, places: Sequence[tuple[float, float] | None], shots: Sequence[int] = ()
) -> list[tuple[int, Box | None]]:
    """Write a clip whose face is at `places`, one a frame; return (ms, box) of each frame."""
    truth: list[tuple[int, Box | None]] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, rate=clip.frame_rate, options=dict(clip.options))
        assert isinstance(stream, VideoStream)
        width, height = clip.size
        stream.width, stream.height = (height, width) if clip.rotation % 180 else (width, height)
        stream.pix_fmt, stream.codec_context.time_base = clip.pixel_format, clip.unit
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        for index, place in enumerate(places):
            shown = scene(clip, place, shots[index] if shots else 0)
            coded = np.ascontiguousarray(np.rot90(np.dstack([shown] * 3), -clip.rotation // 90))
            frame = VideoFrame.from_ndarray(coded, format="rgb24").reformat(format=clip.pixel_format)
            frame.pts, frame.time_base = clip.times[index], clip.unit
            container.mux(stream.encode(frame))
            truth.append((clip.ms(clip.times[index]), Box(*place, *FACE) if place else None))
        container.mux(stream.encode(None))
    return truth


def samples(truth: list[tuple[int, Box | None]], *frames: int) -> list[Detection]:
    """Return the detections in some of the frames."""
    return [Detection(time_ms, box, 99.0) for time_ms, box in (truth[at] for at in frames) if box]


def uncovered(tracks: Tracks, truth: list[tuple[int, Box | None]]) -> list[int]:
    """Return the ms of the frames in which a part of the face is uncovered."""
    return [ms for ms, box in truth if box and not any(covers(found, box) for found in tracks.boxes_at(ms))]


def covers(outer: Box, inner: Box) -> bool:
    """Return whether `inner` lies in `outer`."""
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and outer.right >= inner.right
        and outer.bottom >= inner.bottom
    )


def stop_and_go(count: int) -> list[tuple[float, float]]:
    """Return the places of a face that rests for half of the time, and then moves more than its size."""
    steps = [max(0.0, index / count - 0.5) * 2 for index in range(count + 1)]
    return [(0.3 + 0.2 * step, 0.4) for step in steps]


CLIP = Clip(seconds=2, options={"preset": "veryfast", "crf": "16"})
KINDS = [
    pytest.param("in.mp4", CLIP, id="plain"),
    pytest.param("in.mp4", replace(CLIP, options={"x264-params": LEFT_OUT}), id="B-frames"),
    pytest.param(
        "in.mkv", replace(CLIP, options={"x264-params": LEFT_OUT + ":open-gop=1:keyint=8"}), id="open"
    ),
    pytest.param("in.mp4", replace(CLIP, frame_rate=Fraction(10)), id="10 fps"),
    pytest.param("in.mp4", replace(CLIP, rotation=90, size=(180, 320)), id="turned"),
    pytest.param("in.mp4", replace(CLIP, pixel_format="yuv420p10le"), id="10 bit"),
    pytest.param("in.mp4", replace(CLIP, codec="libx264rgb", pixel_format="rgb24"), id="RGB"),
    pytest.param("in.mov", replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={}), id="MJPEG"),
    pytest.param("in.mp4", replace(CLIP, size=(640, 360), time_base=Fraction(1, 90_000)), id="large"),
]


@pytest.mark.parametrize(("name", "clip"), KINDS)
def test_face_that_stops_and_goes_is_covered(tmp_path: Path, name: str, clip: Clip) -> None:
    """Its samples are half a second apart; it does not move on the straight line between them."""
    count = int(clip.frame_rate / 2)
    truth = film(tmp_path / name, clip, stop_and_go(count))
    faces = document_of(samples(truth, 0, count), clip.size)

    tracks = track_faces(tmp_path / name, faces, SETTINGS)

    assert uncovered(tracks, truth) == []
    assert tracks.count == 1


def test_face_is_covered_at_varying_frame_rate(tmp_path: Path) -> None:
    """Some frames last a quarter of a second, others a hundredth; the first is not at zero."""
    times = [50 + offset for offset in (0, 10, 30, 33, 80, 130, 190, 200, 300, 333, 366, 400, 450, 500)]
    clip = replace(CLIP, pts=times, time_base=Fraction(1, 1000))
    truth = film(tmp_path / "in.mkv", clip, [(0.3 + 0.3 * (at - 50) / 500, 0.4) for at in times])

    tracks = track_faces(tmp_path / "in.mkv", document_of(samples(truth, 0, 13)), SETTINGS)

    assert uncovered(tracks, truth) == []


def test_face_is_followed_back_to_its_entrance(tmp_path: Path) -> None:
    """It comes in over the border long before the first sample that sees it."""
    places = [(-0.1 + 0.016 * index, 0.4) for index in range(40)]
    truth = film(tmp_path / "in.mp4", CLIP, places)
    detections = samples(truth, 35)

    tracks = track_faces(tmp_path / "in.mp4", document_of(detections), SETTINGS)

    assert uncovered(tracks, truth[4:]) == []
    assert uncovered(Tracks.of(detections, SETTINGS.tracks), truth[4:]) != []


def test_hold_ends_with_its_shot(tmp_path: Path) -> None:
    """The first frame after the cut shows another shot; the last one before it still shows the face."""
    truth = film(tmp_path / "in.mp4", CLIP, [(0.4, 0.4)] * 20 + [None] * 30, [0] * 20 + [1] * 30)

    tracks = track_faces(tmp_path / "in.mp4", document_of(samples(truth, 12)), SETTINGS)

    assert uncovered(tracks, truth) == []
    assert tracks.boxes_at(truth[19][0]) != []
    assert tracks.boxes_at(20 * 1000 / 30) == []


@pytest.mark.parametrize(
    "faces", [[], [Detection(5000, Box(0.4, 0.4, 0.1, 0.1), 10.0)]], ids=["none", "unsure"]
)
def test_video_without_faces_is_not_opened(tmp_path: Path, faces: list[Detection]) -> None:
    """There is no face to follow."""
    settings = replace(SETTINGS, min_confidence=50.0)

    assert track_faces(tmp_path / "missing.mp4", document_of(faces), settings).count == 0


def test_faces_that_are_not_to_be_followed_need_no_file(tmp_path: Path) -> None:
    """Tracks are made by time and place alone."""
    faces = document_of([Detection(0, Box(0.4, 0.4, 0.1, 0.1), 99.0)])

    assert track_faces(tmp_path / "missing.mp4", faces, replace(SETTINGS, follow_faces=False)).count == 1


def test_detection_behind_the_end_is_no_error(tmp_path: Path) -> None:
    """A document may round times up, or belong to another edit of the video: its detections are covered."""
    make_clip(tmp_path / "in.mp4", Clip(seconds=0.5))
    faces = document_of([Detection(time_ms, Box(0.4, 0.4, 0.1, 0.1), 99.0) for time_ms in (480, 9000)])

    tracks = track_faces(tmp_path / "in.mp4", faces, SETTINGS)

    assert [len(tracks.boxes_at(time_ms)) for time_ms in (480, 9000)] == [1, 1]


def test_cut_between_two_frames_of_one_millisecond_uncovers_nothing(tmp_path: Path) -> None:
    """Whole milliseconds cannot tell the two apart: there is no such cut."""
    times = [*range(0, 27_000, 3000), 27_018, 27_063, *range(30_000, 60_000, 3000)]
    clip = replace(CLIP, pts=times, time_base=Fraction(1, 90_000))
    places = [None] * 10 + [(0.4, 0.4)] * 11
    truth = film(tmp_path / "in.mp4", clip, places, [0] * 10 + [1] * 11)

    tracks = track_faces(tmp_path / "in.mp4", document_of(samples(truth, 10)), SETTINGS)

    assert uncovered(tracks, truth[10:]) == []


def test_damaged_video_is_named(tmp_path: Path) -> None:
    """A file that ends before its index is no video without faces."""
    truth = film(tmp_path / "in.mp4", CLIP, stop_and_go(15))
    content = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "in.mp4").write_bytes(content[: len(content) * 2 // 3])

    with pytest.raises(DamagedVideo):
        track_faces(tmp_path / "in.mp4", document_of(samples(truth, 0, 15)), SETTINGS)


def test_damaged_frame_on_the_way_is_left_to_the_renderer(tmp_path: Path) -> None:
    """Tracking goes on with what FFmpeg makes of it; rendering, which decodes all frames, refuses it."""
    clip = replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={})
    truth = film(tmp_path / "in.mov", clip, stop_and_go(15))
    content = (tmp_path / "in.mov").read_bytes()
    hole = len(content) // 2
    (tmp_path / "in.mov").write_bytes(content[:hole] + b"\xff" * 200 + content[hole + 200 :])

    tracks = track_faces(tmp_path / "in.mov", document_of(samples(truth, 0, 15)), SETTINGS)

    assert uncovered(tracks, truth[:1] + truth[-1:]) == []
    with pytest.raises(DamagedVideo), open_source(tmp_path / "in.mov") as container:
        list(decoded_frames(container, video_stream(container), threads=1))


def test_own_detector_finds_a_face_that_no_sample_saw(tmp_path: Path) -> None:
    """It is there for half a second between two samples."""
    places = [NO_FACE] * 8 + [(240, 135)] * 12 + [NO_FACE] * 10
    source = make_portrait_clip(tmp_path / "in.mp4", PortraitClip(places, sound=False))
    settings = replace(SETTINGS, detection_mode=DetectionMode.BOTH)

    tracks = track_faces(source, document_of([], SIZE), settings)

    assert tracks.count == 1
    assert all(covers(tracks.boxes_at(time_ms)[0], Box(0.47, 0.4, 0.06, 0.15)) for time_ms in (320, 500, 760))
