"""Time origins: detection times count from the first frame or the start of the file; both are covered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blur_container.analysis.face_tracking import track_faces
from blur_container.analysis.time_origins import TimeOrigins, shifted
from blur_container.rendering.progress import Steps
from blur_container.rendering.report import report_to_json
from blur_container.settings import RenderSettings, Settings
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import FacesDocument
from tests.checks.readback import detail, shown_frames, video_times, worst_detail
from tests.checks.segmented import WAYS, InSegments, render, render_in_segments
from tests.clips import Clip, Face, faces_document, make_clip
from tests.clips.extra_streams import without_keyframe

GONE = 14.0  # Faces of the clips show 60 and more.
LATE_MS = 500
GROUPS = {"preset": "veryfast", "x264-params": "keyint=15:min-keyint=15:scenecut=0"}
FACE = Face(left=0.05, width=0.12, speed_x=0.3)
CLIP = Clip(
    faces=[FACE],
    seconds=2.5,
    pts=range(15, 90),
    options=GROUPS,
    audio=["aac"],
)
VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0", "g": "15"}
KINDS = {
    "H.264 in MP4": ("in.mp4", CLIP),
    "H.264 in MOV, PCM": ("in.mov", replace(CLIP, audio=["pcm_s16le"])),
    "H.264 in Matroska": ("in.mkv", CLIP),
    "VP9 in Matroska": ("in.mkv", replace(CLIP, codec="libvpx-vp9", options=VP9)),
    "MPEG-4 in MP4": ("in.mp4", replace(CLIP, codec="mpeg4", options={"g": "12", "b": "4M"})),
    "fragments": ("in.mp4", replace(CLIP, container_options={"movflags": "frag_keyframe+delay_moov"})),
}
SETTINGS = RenderSettings()
SMART = RenderSettings(smart_render=True)
UNFOLLOWED = RenderSettings(follow_faces=False)


# What is added to the times of a detector that counts from the first frame, and the origins that are left:
# a detector that finds a face in the first half second did not count from the start of the file.
COUNTS = {
    "from the first frame": (0, TimeOrigins((0,))),
    "from the start of the file": (LATE_MS, TimeOrigins((0, LATE_MS))),
}


def counted(clip: Clip, later_ms: int) -> FacesDocument:
    """Return the detections in `clip` with times that count from so much before the first frame."""
    return shifted(faces_document(clip), -later_ms)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_late_pictures_are_covered_wherever_the_detector_counts_from(
    tmp_path: Path, kind: str, count: str
) -> None:
    """It is not documented which it is: a fast face is covered for both origins."""
    name, clip = KINDS[kind]
    source = make_clip(tmp_path / name, clip)

    later_ms, origins = COUNTS[count]
    report = render(source, counted(clip, later_ms))

    assert worst_detail(source, clip) > 50
    assert worst_detail(tmp_path / "out.mp4", clip) < GONE
    assert report.faces.origins == origins


def test_the_manifest_says_from_where_times_were_counted(tmp_path: Path) -> None:
    """With a phrase for each origin that was covered."""
    source = make_clip(tmp_path / "in.mp4", CLIP)

    report = render(source, counted(CLIP, LATE_MS))

    manifest = report_to_json(report, Steps(), Settings("work", "output", "1", SETTINGS))
    assert manifest["detection_times_from"] == ["the first frame", "500 ms before the first frame"]


def test_both_readings_are_covered_where_a_few_detections_stray(tmp_path: Path) -> None:
    """Two of twenty-five before the first frame prove nothing."""
    clip = replace(CLIP, faces=[replace(FACE, speed_x=0.16)], seconds=5, pts=range(15, 165))
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, counted(clip, 0))

    assert worst_detail(tmp_path / "out.mp4", clip) < GONE
    assert report.faces.origins == TimeOrigins((0, LATE_MS))


@pytest.mark.parametrize("settings", [SETTINGS, SMART, UNFOLLOWED], ids=["full", "smart", "unfollowed"])
@pytest.mark.parametrize("count", COUNTS)
def test_late_pictures_are_covered_in_segments_too(
    tmp_path: Path, count: str, settings: RenderSettings
) -> None:
    """The plan has the possible origins, and each segment has the tracks of all of them."""
    source = make_clip(tmp_path / "in.mp4", CLIP)

    later_ms, origins = COUNTS[count]
    report = render_in_segments(source, counted(CLIP, later_ms), settings)

    assert worst_detail(tmp_path / "out.mp4", CLIP) < GONE
    assert report.faces.origins == origins


@pytest.mark.parametrize("count", COUNTS)
def test_masks_of_both_readings_are_those_of_one_piece(tmp_path: Path, count: str) -> None:
    """Frame by frame the same boxes, under the same names."""
    source = make_clip(tmp_path / "in.mp4", CLIP)
    segmented = InSegments(source, counted(CLIP, COUNTS[count][0]), tmp_path, SETTINGS)
    plan = segmented.plan()
    whole = track_faces(source, segmented.faces, SETTINGS, origins=plan.origins)
    proxies = [float(plan.clock.ms(round(time / plan.clock.time_base))) for time in video_times(source)]

    drawn = [
        (time_ms, [(track.box_at(time_ms), track.name_at(time_ms)) for track in tracks.at(time_ms)])
        for number in range(len(plan.spans))
        for tracks in [segmented.tracks(plan, number)]
        for time_ms in proxies
        if plan.section(number).holds(time_ms)
    ]

    assert drawn == [
        (time_ms, [(track.box_at(time_ms), track.name_at(time_ms)) for track in whole.at(time_ms)])
        for time_ms in proxies
    ]


def test_a_reading_in_which_detections_meet_nothing_is_left_out(tmp_path: Path) -> None:
    """Half a minute after the sound: times from zero on can only count from the first frame."""
    clip = replace(CLIP, pts=range(900, 975))
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, faces_document(clip))

    assert report.faces.origins == TimeOrigins((0,))


def test_a_video_that_begins_with_its_sound_has_one_reading(tmp_path: Path) -> None:
    """Most videos do; a frame or two make no difference."""
    clip = replace(CLIP, pts=range(1, 76))
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, faces_document(clip))

    assert report.faces.origins == TimeOrigins((0,))


STRAYS = {
    "all behind the end": (3_600_000, 1.0),
    "just behind the end": (2_800, 1.0),
    "half behind the end": (3_600_000, 0.5),
    "a fifth behind the end": (10_000, 0.2),
}


def straying(clip: Clip, later_ms: int, share: float) -> FacesDocument:
    """Return the detections in `clip`, the last `share` of them at times that are too late."""
    faces = faces_document(clip)
    kept = round(len(faces.detections) * (1 - share))
    late = shifted(faces, -later_ms).detections
    return replace(faces, detections=(*faces.detections[:kept], *late[kept:]))


PROMPT = replace(CLIP, pts=range(75))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", STRAYS)
def test_detections_that_meet_no_frame_are_refused(tmp_path: Path, kind: str, way: str) -> None:
    """They belong to another video, or have another origin: the faces would stay uncovered."""
    source = make_clip(tmp_path / "in.mp4", PROMPT)

    with pytest.raises(InvalidDocument, match=r"too few of .* meet a frame"):
        WAYS[way](source, straying(PROMPT, *STRAYS[kind]))

    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "options"), [("in.mkv", {}), ("in.mp4", {"movflags": "frag_keyframe+empty_moov"})]
)
def test_they_are_refused_whatever_the_container_tells(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    """If it gives no length, the rendered frames do."""
    clip = replace(PROMPT, container_options=options)
    source = make_clip(tmp_path / name, clip)

    with pytest.raises(InvalidDocument, match=r"too few of .* meet a frame"):
        render(source, straying(clip, 3_600_000, 1.0))

    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("way", WAYS)
def test_sound_that_goes_on_for_longer_is_no_frame(tmp_path: Path, way: str) -> None:
    """Detections in it meet no frame, though the file lasts that long."""
    clip = replace(PROMPT, seconds=20)
    source = make_clip(tmp_path / "in.mp4", clip)

    with pytest.raises(InvalidDocument, match=r"too few of .* meet a frame"):
        WAYS[way](source, straying(clip, 8_000, 1.0))

    assert not (tmp_path / "out.mp4").exists()


def test_one_detection_of_many_behind_the_end_is_borne(tmp_path: Path) -> None:
    """A detector may count one frame too many."""
    source = make_clip(tmp_path / "in.mp4", PROMPT)

    render(source, straying(PROMPT, 10_000, 0.08))

    assert worst_detail(tmp_path / "out.mp4", PROMPT) < GONE


def test_readings_travel_with_the_plan() -> None:
    """As offsets in milliseconds."""
    assert TimeOrigins.from_json([0, 500]) == TimeOrigins((0, 500))


@pytest.mark.parametrize("value", [[], "0", [0.5], None, {"0": 0}, [True]])
def test_readings_that_are_no_list_of_numbers_are_refused(value: object) -> None:
    """This project writes no such plan."""
    with pytest.raises(InvalidDocument):
        TimeOrigins.from_json(value)


@pytest.mark.parametrize("name", ["in.mp4", "in.mov", "in.mkv"])
def test_faces_behind_frames_that_cannot_be_decoded_are_covered(tmp_path: Path, name: str) -> None:
    """The file begins without a keyframe; the detector counts from zero on its clock all the same."""
    clip = replace(CLIP, pts=None, options=GROUPS, audio=[])
    source = without_keyframe(make_clip(tmp_path / "whole.mp4", clip), tmp_path / name, 1)

    render(source, faces_document(clip))

    shown = shown_frames(tmp_path / "out.mp4")
    pairs = zip(clip.times[len(clip.times) - len(shown) :], shown, strict=True)
    assert max(detail(frame.luma, box) for pts, frame in pairs for box in clip.boxes(pts)) < GONE
