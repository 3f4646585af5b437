"""Face sampling: the container's own detections of clips whose face is known."""

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

from blur_container.analysis.face_sampling import FoundFaces, detect_faces
from blur_container.analysis.face_tracking import track_faces
from blur_container.geometry import TURNS, Orientation, Picture, overlap
from blur_container.settings import DetectionEffort, DetectionSettings, RenderSettings
from blur_container.timing import Section
from blur_container.tracking.tracklets import TrackletGraph
from chalicelib.contract.faces import Box, VideoDescription
from chalicelib.contract.job import DetectionMode
from local_cloud.commands.demo_clip import portrait_path
from tests.clips import document_of

SETTINGS = RenderSettings(detection_mode=DetectionMode.BOTH)
THOROUGH = replace(SETTINGS, detection=DetectionSettings.of(DetectionEffort.THOROUGH))
COARSE = replace(SETTINGS, detection=DetectionSettings(long_side=320, turned_side=320))
# Left, top, width, height of the face in the portrait, as fractions of it.
FACE = Box(180 / 512, 64 / 512, 90 / 512, 114 / 512)
SIZE = (640, 360)
RATE = 25


def scene(side: int, brightness: float = 1.0, size: tuple[int, int] = SIZE) -> tuple[Picture, Box]:
    """Return RGB (height, width, 3) with the portrait, `side` pixels wide, and the box of its face."""
    width, height = size
    portrait = cv2.imread(str(portrait_path()))
    assert portrait is not None
    small = cv2.resize(portrait[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)
    picture = np.full((height, width, 3), 90, np.uint8)
    left, top = (width - side) // 3, (height - side) // 2
    picture[top : top + side, left : left + side] = small
    box = Box(
        (left + FACE.left * side) / width,
        (top + FACE.top * side) / height,
        FACE.width * side / width,
        FACE.height * side / height,
    )
    return np.asarray(picture * brightness, np.uint8), box


def film(path: Path, pictures: Sequence[Picture], rotation: int = 0, aspect: Fraction | None = None) -> Path:
    """Write a clip of `pictures`, one a frame; the display matrix rotates it counterclockwise."""
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "14", "x264-params": "bframes=8:b-adapt=0:b-pyramid=none"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for index, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def described(width: int, height: int) -> VideoDescription:
    """Return the description of a clip with this displayed size."""
    return VideoDescription("h264", 2000, RATE, width, height)


def found_in(source: Path, settings: RenderSettings = SETTINGS, size: tuple[int, int] = SIZE) -> FoundFaces:
    """Return what the detector finds in the whole clip."""
    return detect_faces(source, described(*size), settings)


def hits_ms(graph: TrackletGraph, box: Box) -> list[int]:
    """Return the times of the detections at a box."""
    faces = [face for tracklet in graph.tracklets for face in tracklet]
    return sorted(face.time_ms for face in faces if overlap(face.box, box) > 0.4)


EVERY_100_MS = [0, 120, 200, 320, 400, 520, 600, 720, 800, 920]


def test_clip_without_faces_gives_two_empty_graphs(tmp_path: Path) -> None:
    """Their intervals are known all the same: one frame longer than the detector's."""
    source = film(tmp_path / "in.mp4", [np.full((360, 640, 3), 90, np.uint8)] * RATE)

    found = found_in(source)

    assert [graph.tracklets for graph in found.graphs] == [(), ()]
    assert [graph.interval_ms for graph in found.graphs] == [140, 1040]


def test_upright_face_is_found_ten_times_a_second(tmp_path: Path) -> None:
    """In the first frame of each tenth, although the decoder may skip up to eight in a row."""
    picture, box = scene(200)
    source = film(tmp_path / "in.mp4", [picture] * RATE)

    found = found_in(source)

    assert hits_ms(found.upright, box) == EVERY_100_MS
    assert hits_ms(found.turned, box) == []


@pytest.mark.parametrize(
    ("side", "brightness"), [(100, 1.0), (60, 1.0), (200, 0.04)], ids=["22 px", "13 px", "dark"]
)
def test_small_and_dark_faces_are_found(tmp_path: Path, side: int, brightness: float) -> None:
    """Sizes are those of the face's height in a frame of 640 x 360, which is enlarged to 960."""
    picture, box = scene(side, brightness)
    source = film(tmp_path / "in.mp4", [picture] * RATE)

    assert hits_ms(found_in(source).upright, box) == EVERY_100_MS


def test_face_too_small_for_standard_is_found_by_thorough(tmp_path: Path) -> None:
    """It is 13 pixels high in 1080p: 6 in the picture that standard analyses."""
    size = (1920, 1080)
    picture, box = scene(58, size=size)
    source = film(tmp_path / "in.mp4", [picture] * 3)

    assert hits_ms(found_in(source, SETTINGS, size).upright, box) == []
    assert hits_ms(found_in(source, THOROUGH, size).upright, box) == [0]


@pytest.mark.parametrize("turn", TURNS)
def test_turned_face_is_found_once_a_second_and_covered_throughout(tmp_path: Path, turn: Orientation) -> None:
    """Whoever lies, or stands on the head; following carries the box from second to second."""
    picture, box = scene(200)
    shown, expected = turn.turned(picture), turn.to_displayed(box)
    height, width = shown.shape[:2]
    source = film(tmp_path / "in.mp4", [shown] * (2 * RATE + 1))

    found = found_in(source, SETTINGS, (width, height))
    tracks = track_faces(source, document_of([], (width, height)), SETTINGS)

    assert hits_ms(found.turned, expected) == [0, 1000, 2000]
    assert [
        time_ms
        for time_ms in range(0, 2001, 40)
        if not any(overlap(one, expected) > 0.3 for one in tracks.boxes_at(time_ms))
    ] == []


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_phone_video_is_analysed_as_it_is_displayed(tmp_path: Path, rotation: int) -> None:
    """Its frames lie on the side, its faces do not: the first pass finds them."""
    picture, box = scene(200)
    coded = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    source = film(tmp_path / "in.mp4", [coded] * RATE, rotation)

    found = found_in(source)

    assert hits_ms(found.upright, box) == EVERY_100_MS
    assert hits_ms(found.turned, box) == []


def test_wide_pixels_are_analysed_wide(tmp_path: Path) -> None:
    """A frame squeezed to a third of its width is stretched before it is searched."""
    picture, box = scene(200)
    squeezed = np.asarray(cv2.resize(picture, (214, 360), interpolation=cv2.INTER_AREA), np.uint8)
    source = film(tmp_path / "in.mp4", [squeezed] * RATE, aspect=Fraction(3))

    assert hits_ms(found_in(source, SETTINGS, (214, 360)).upright, box) == EVERY_100_MS


def test_first_frame_of_a_shot_is_searched(tmp_path: Path) -> None:
    """It is frame 16, at 640 ms: the next one of the interval comes 80 ms later."""
    empty = np.random.default_rng(1).integers(0, 60, (360, 640, 3), np.uint8)
    picture, box = scene(200)
    source = film(tmp_path / "in.mp4", [empty] * 16 + [picture + np.uint8(20)] * 9)

    assert hits_ms(found_in(source).upright, box) == [640, 720, 800, 920]


def test_section_has_the_detections_of_the_whole(tmp_path: Path) -> None:
    """The same frames are searched, wherever a section begins."""
    pictures = [scene(side)[0] for side in range(60, 210) for _ in range(3)]
    source = film(tmp_path / "in.mp4", pictures)
    section = Section(9000, 11_000)

    whole = found_in(source, COARSE)
    part = detect_faces(source, described(*SIZE), COARSE, section)

    def within(graph: TrackletGraph) -> list[tuple[int, list[float]]]:
        faces = (face for tracklet in graph.tracklets for face in tracklet)
        return sorted((face.time_ms, face.box.to_json()) for face in faces if section.holds(face.time_ms))

    assert len(within(whole.upright)) >= 20
    assert [within(graph) for graph in part.graphs] == [within(graph) for graph in whole.graphs]
    assert min(part.upright.times_ms()) > 5000
