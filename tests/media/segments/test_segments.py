"""Segments: the joined video equals one that was rendered in one piece."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from blur_container.analysis.face_tracking import track_faces
from blur_container.rendering.whole_video import redact_video
from blur_container.segments.concat import RenderedSegment
from blur_container.settings import RenderSettings
from blur_container.timing import Clock
from blur_container.tracking.review import review_flags_to_json
from chalicelib.contract.errors import OutputMismatch
from tests.checks.readback import audio_packets, audio_starts, luma_psnr, shown_frames, video_times
from tests.checks.segmented import InSegments
from tests.clips import Clip, Face, faces_document, make_clip

GROUPS = {"preset": "veryfast", "x264-params": "keyint=15:min-keyint=15:scenecut=0"}
CLIP = Clip(faces=[Face(speed_x=0.08)], seconds=4, options=GROUPS, audio=["aac"])
HEVC = {"x265-params": "keyint=15:min-keyint=15:open-gop=1:log-level=none"}
KINDS = {
    "closed groups": CLIP,
    "open groups": replace(CLIP, options={**GROUPS, "x264-params": f"{GROUPS['x264-params']}:open-gop=1"}),
    "uneven times": replace(CLIP, pts=[index * 3 + index % 3 for index in range(100)]),
    "times that begin late": replace(CLIP, pts=[900 + index for index in range(120)]),
    "turned": replace(CLIP, rotation=90, size=(180, 320)),
    "two sounds, one encoded": replace(CLIP, audio=["aac", "pcm_s16le"]),
    "ten bits, HEVC": replace(CLIP, codec="libx265", pixel_format="yuv420p10le", options=HEVC),
    "odd size": replace(CLIP, size=(321, 181), codec="libx264rgb", pixel_format="rgb24"),
}
SETTINGS = RenderSettings()
SMART = RenderSettings(smart_render=True)


def quiet(_progress: object) -> None:
    """Ignore the progress."""


def scene(folder: Path, clip: Clip, settings: RenderSettings = SETTINGS) -> InSegments:
    """Return `clip` written to `folder`, to be rendered in segments."""
    suffix = ".mov" if "pcm_s16le" in clip.audio else ".mp4"
    source = make_clip(folder / f"source{suffix}", clip)
    return InSegments(source, faces_document(clip), folder, settings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_segmented_video_equals_one_in_one_piece(tmp_path: Path, kind: str) -> None:
    """In frames, times, sound, parameters, quality and manifest."""
    segmented = scene(tmp_path, KINDS[kind])
    whole, joined = tmp_path / "whole.mp4", tmp_path / "joined.mp4"

    expected = redact_video(segmented.source, whole, segmented.faces, SETTINGS, quiet)
    report = segmented.join(segmented.parts(), joined)

    assert video_times(joined) == video_times(whole)
    assert (audio_packets(joined), audio_starts(joined)) == (audio_packets(whole), audio_starts(whole))
    assert luma_psnr(joined, segmented.source) == pytest.approx(luma_psnr(whole, segmented.source), abs=0.2)
    assert parameters(joined) == parameters(whole)
    assert replace(report.file, copied=None) == expected.file
    assert replace(report.faces, flags=()) == replace(expected.faces, flags=())
    assert replace(report, file=expected.file, faces=expected.faces) == expected
    assert review_flags_to_json(report.faces.flags) == review_flags_to_json(expected.faces.flags)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_those_of_one_piece(tmp_path: Path, kind: str) -> None:
    """Frame by frame the same boxes, under the same names."""
    segmented = scene(tmp_path, KINDS[kind])
    plan = segmented.plan()
    whole = track_faces(segmented.source, segmented.faces, SETTINGS)
    clock = Clock(plan.clock.first_pts, plan.clock.time_base)
    moments = [float(clock.ms(round(time / clock.time_base))) for time in video_times(segmented.source)]

    drawn = [
        (time_ms, [(track.box_at(time_ms), track.name_at(time_ms)) for track in tracks.at(time_ms)])
        for number in range(len(plan.spans))
        for tracks in [segmented.tracks(plan, number)]
        for time_ms in moments
        if plan.section(number).holds(time_ms)
    ]

    expected = [
        (time_ms, [(track.box_at(time_ms), track.name_at(time_ms)) for track in whole.at(time_ms)])
        for time_ms in moments
    ]
    assert drawn == expected


def test_it_decodes_without_a_warning(tmp_path: Path) -> None:
    """Segments begin with keyframes of one stream."""
    segmented = scene(tmp_path, CLIP)
    segmented.join(segmented.parts(), tmp_path / "joined.mp4")

    with av.logging.Capture() as warnings, av.open(str(tmp_path / "joined.mp4")) as container:
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        frames = list(container.decode(video=0))

    assert (len(frames), warnings) == (120, [])


@pytest.mark.parametrize("open_gop", [0, 1])
def test_smart_segments_copy_what_shows_no_face(tmp_path: Path, open_gop: int) -> None:
    """They are joined with segments that are all encoded, as where a GOP refers to the next one."""
    gone = Face(left=0.7, speed_x=0.5)
    options = {**GROUPS, "x264-params": f"{GROUPS['x264-params']}:open-gop={open_gop}"}
    segmented = scene(tmp_path, replace(CLIP, faces=[gone], options=options), SMART)

    parts = segmented.parts()
    segmented.join(parts, tmp_path / "joined.mp4")

    copied = [part.record.frames_copied for part in parts]
    assert copied[0] == 0
    assert (copied[1] > 0) == (not open_gop)
    assert len(shown_frames(tmp_path / "joined.mp4")) == 120


def test_a_segment_that_is_not_its_records_is_refused(tmp_path: Path) -> None:
    """Only verified packets are joined."""
    segmented = scene(tmp_path, CLIP)
    parts = segmented.parts()
    swapped = [parts[0], RenderedSegment(parts[2].source, parts[1].record), *parts[2:]]

    with pytest.raises(OutputMismatch, match="are not those of its record"):
        segmented.join(swapped, tmp_path / "joined.mp4")


def test_a_lost_segment_is_noticed(tmp_path: Path) -> None:
    """The report has fewer frames than the plan."""
    segmented = scene(tmp_path, CLIP)
    parts = segmented.parts()

    report = segmented.join(parts[:-1], tmp_path / "joined.mp4")

    assert len(report.pts) < segmented.plan().frames


def parameters(path: Path) -> tuple[object, ...]:
    """Return the parameters by which players show a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context, frame = stream.codec_context, next(container.decode(stream))
        sides = sorted(str(data.type) for data in frame.side_data)
        return (
            stream.time_base,
            context.name,
            context.extradata,
            context.codec_tag,
            context.color_range,
            context.color_primaries,
            stream.sample_aspect_ratio,
            frame.rotation,
            sides,
        )
