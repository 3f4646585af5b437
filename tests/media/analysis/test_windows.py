"""Windows of real pictures: a segment has the masks of the whole, and decodes little more than itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from blur_container.analysis.face_tracking import track_faces, track_faces_in
from blur_container.settings import RenderSettings
from blur_container.timing import Section
from blur_container.tracking.tracklets import tracklet_graph_of
from blur_container.tracking.tracks import Tracks
from blur_container.tracking.windows import Windows
from chalicelib.contract.faces import Box, Detection, FacesDocument
from chalicelib.contract.job import DetectionMode
from tests.clips import Clip, Face, document_of, make_clip
from tests.clips.portraits import NO_FACE, SIZE, PortraitClip, make_portrait_clip

SETTINGS = RenderSettings()
SECONDS = 16
FACES = [
    Face(left=0.05, top=0.2, speed_x=0.045),
    Face(left=0.9, top=0.25, width=0.1, height=0.2, speed_x=-0.045),
    Face(left=-1.0, top=0.6, width=0.1, height=0.2, speed_x=0.1),
    Face(left=0.4, top=1.5, width=0.12, height=0.25, speed_y=-0.1),
]
CLIP = Clip(faces=FACES, seconds=SECONDS, options={"preset": "veryfast"})
SHORT = "keyint=15:min-keyint=15:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal"
OPEN = "keyint=40:open-gop=1:bframes=4:b-adapt=0"
KINDS = [
    pytest.param("in.mp4", {"x264-params": SHORT}, id="short groups"),
    pytest.param("in.mkv", {"x264-params": OPEN}, id="open groups"),
    pytest.param("in.mp4", {"x264-params": "keyint=infinite:scenecut=0"}, id="one group"),
    pytest.param("in.mp4", {"x264-params": "keyint=60:bframes=0"}, id="no B-frames"),
]


def sampled(clip: Clip, misses: int = 7) -> FacesDocument:
    """Return detections of the faces inside the frame twice a second, without every `misses`-th one."""
    every = [
        Detection(clip.ms(pts), box, 90.0)
        for pts in clip.times[::15]
        for box in clip.boxes(pts)
        if -box.width / 2 < box.left < 1 - box.width / 2 and -box.height / 2 < box.top < 1 - box.height / 2
    ]
    return document_of([face for index, face in enumerate(every) if index % misses], clip.size)


def sections(*cuts_ms: float) -> list[Section]:
    """Return the sections between cuts, from the start to the end."""
    ends = [0.0, *cuts_ms, SECONDS * 1000.0]
    return [Section(*pair) for pair in pairwise(ends)]


def tracked(
    source: Path, faces: FacesDocument, parts: Sequence[Section], settings: RenderSettings = SETTINGS
) -> list[tuple[Section, Tracks]]:
    """Return the tracks of each section."""
    windows = Windows(tracklet_graph_of(faces, settings))
    return [(part, track_faces_in(source, faces.video, windows.of(part), settings)) for part in parts]


def masks(tracks: Tracks, time_ms: float) -> list[tuple[Box, Detection]]:
    """Return the boxes and names at a moment, in an order of their own."""
    return sorted(((t.box_at(time_ms), t.name_at(time_ms)) for t in tracks.at(time_ms)), key=repr)


def differing(whole: Tracks, windows: Sequence[tuple[Section, Tracks]], rate: int = 30) -> list[float]:
    """Return the ms of the frames whose boxes and names in their window are not those of the whole."""
    times = [frame * 1000 / rate for frame in range(SECONDS * rate)]
    return [
        time_ms
        for part, tracks in windows
        for time_ms in times
        if part.holds(time_ms) and masks(tracks, time_ms) != masks(whole, time_ms)
    ]


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_masks_of_segments_are_those_of_the_whole(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    """Whatever the groups of frames are, and wherever it is cut."""
    clip = replace(CLIP, options={"preset": "ultrafast", **options})
    source, faces = make_clip(tmp_path / name, clip), sampled(clip)

    windows = tracked(source, faces, sections(3500, 8000, 9000))

    whole = track_faces(source, faces, SETTINGS)
    assert whole.count > 1
    assert differing(whole, windows) == []


@pytest.mark.parametrize("name", ["sign_language.mp4", "sign_language_2.mkv"])
def test_masks_of_segments_are_those_of_a_real_clip(name: str) -> None:
    """One person, hands before the face."""
    source = Path(os.environ.get("REAL_CLIPS", "missing"), name)
    if not source.exists():
        pytest.skip("REAL_CLIPS names no folder with it")
    boxes = [Box(0.4 + 0.002 * step, 0.2, 0.15, 0.25) for step in range(20)]
    faces = document_of([Detection(500 * step, box, 90.0) for step, box in enumerate(boxes)], (640, 480))

    windows = tracked(source, faces, sections(2000, 5000))

    assert differing(track_faces(source, faces, SETTINGS), windows) == []


def test_boxes_of_the_own_detector_are_those_of_the_whole(tmp_path: Path) -> None:
    """It samples the same frames, wherever its window begins."""
    places = [NO_FACE] * 30 + [(150 + step, 135) for step in range(40)] + [NO_FACE] * 10
    source = make_portrait_clip(tmp_path / "in.mp4", PortraitClip(places, sound=False))
    settings, faces = replace(SETTINGS, detection_mode=DetectionMode.BOTH), document_of([], SIZE)

    windows = tracked(source, faces, sections(1500, 2250), settings)

    whole = track_faces(source, faces, settings)
    assert whole.count == 1
    assert boxes(whole, sections(0, 1500, 2250)[1:]) == [
        found for part, tracks in windows for found in boxes(tracks, [part])
    ]


def boxes(tracks: Tracks, parts: Sequence[Section]) -> list[list[Box]]:
    """Return the boxes of each frame of some sections at 25 frames/s."""
    times = [frame * 40.0 for frame in range(80)]
    return [tracks.boxes_at(time_ms) for part in parts for time_ms in times if part.holds(time_ms)]


def test_segment_without_faces_near_is_not_opened(tmp_path: Path) -> None:
    """There is no face to follow."""
    faces = document_of([Detection(60_000, Box(0.4, 0.4, 0.1, 0.1), 90.0)])

    ((_, tracks),) = tracked(tmp_path / "missing.mp4", faces, [Section(0, 20_000)])

    assert tracks.count == 0


def test_look_of_a_segment_is_its_own_time_and_a_margin(tmp_path: Path) -> None:
    """Frames far away are not decoded."""
    clip = replace(CLIP, seconds=25, options={"x264-params": SHORT})
    source, faces = make_clip(tmp_path / "in.mp4", clip), sampled(clip)
    window = Windows(tracklet_graph_of(faces, SETTINGS)).of(Section(12_000, 13_000))
    passed: list[int] = []

    track_faces_in(source, faces.video, window, SETTINGS, lambda done, _all: passed.append(done))

    assert min(passed) > 30 * (12 - 10.5)
    assert max(passed) < 30 * (13 + 8.5)
