"""Planner: segments begin at keyframes that can be decoded alone, and contain every frame once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from blur_container.reading.timestamps import DecodeRange
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.segments.plan import Plan
from blur_container.segments.planner import Planner
from blur_container.settings import CuttingSettings, RenderSettings
from chalicelib.contract.errors import DamagedVideo, NotAVideo, VideoTooLarge
from tests.clips import Clip, Face, faces_document, make_clip

EAGER = CuttingSettings(aim_s=0.01, at_once=4, extra_share=1e9)
GROUPS = {"preset": "veryfast", "x264-params": "keyint=15:min-keyint=15:scenecut=0"}
CLIP = Clip(faces=[Face(speed_x=0.05)], seconds=4, options=GROUPS)


def planner(path: Path, clip: Clip = CLIP, cutting: CuttingSettings = EAGER) -> Planner:
    """Return the planner of `clip`, written to `path`."""
    size_bytes = make_clip(path, clip).stat().st_size
    return Planner(path, size_bytes, lambda: 1000, faces_document(clip), 500, RenderSettings(), cutting, "1")


def contents(path: Path, span: DecodeRange | None = None) -> list[tuple[int | None, bytes]]:
    """Return pts and luma of all frames, or of those in `span`."""
    with open_source(path) as container:
        stream = video_stream(container)
        with closing(decoded_frames(container, stream, 1, decode_range=span)) as frames:
            return [(frame.pts, frame.to_ndarray(format="gray").tobytes()) for frame in frames]


def kinds() -> dict[str, Clip]:
    """Return clips whose keyframes differ."""
    return {
        "closed groups": CLIP,
        "open groups": replace(
            CLIP, options={**GROUPS, "x264-params": GROUPS["x264-params"] + ":open-gop=1"}
        ),
        "every frame a keyframe": replace(CLIP, seconds=1, options={"x264-params": "keyint=1"}),
        "HEVC, open groups": replace(
            CLIP,
            codec="libx265",
            options={"x265-params": "keyint=15:min-keyint=15:open-gop=1:log-level=none"},
        ),
        "uneven times": replace(CLIP, pts=[index * 3 + index % 3 for index in range(100)]),
        "MPEG-4": replace(CLIP, codec="mpeg4", options={"g": "12"}),
    }


@pytest.mark.parametrize("kind", kinds())
def test_segments_hold_every_frame_once_bit_for_bit(tmp_path: Path, kind: str) -> None:
    """The segments together decode the same frames as one pass."""
    plan = planner(tmp_path / "clip.mp4", kinds()[kind]).plan()
    assert plan is not None

    parts = [frame for span in plan.spans for frame in contents(tmp_path / "clip.mp4", span)]

    assert len(plan.spans) > 1
    assert parts == contents(tmp_path / "clip.mp4")
    assert plan.frames == len(parts)
    assert all(one.end_pts == other.start_pts for one, other in pairwise(plan.spans))


def test_four_are_rendered_at_once(tmp_path: Path) -> None:
    """Eight GOPs, four functions: two GOPs each."""
    plan = planner(tmp_path / "clip.mp4").plan()
    assert plan is not None

    assert [span.start_pts for span in plan.spans] == [0, 15360, 30720, 46080]


def test_a_frame_that_refers_to_others_begins_no_segment(tmp_path: Path) -> None:
    """Streams with intra refresh mark such frames as keyframes."""
    clip = replace(CLIP, options={"x264-params": "intra-refresh=1:keyint=15"})

    assert planner(tmp_path / "clip.mp4", clip).plan() is None


@pytest.mark.parametrize(
    "clip",
    [
        replace(CLIP, options={"x264-params": "keyint=infinite:scenecut=0"}),
        replace(CLIP, container_options={"movflags": "frag_keyframe+empty_moov"}),
    ],
    ids=["one keyframe", "fragments without an index"],
)
def test_what_cannot_be_cut_stays_whole(tmp_path: Path, clip: Clip) -> None:
    """One function renders it."""
    assert planner(tmp_path / "clip.mp4", clip).plan() is None


def test_short_videos_stay_whole(tmp_path: Path) -> None:
    """Two functions would take longer than one."""
    assert planner(tmp_path / "clip.mp4", cutting=CuttingSettings()).plan() is None


def test_work_is_shared_out_by_faces(tmp_path: Path) -> None:
    """A smart render encodes only frames near faces: segments are shorter there."""
    clip = planner(tmp_path / "clip.mp4")
    late = tuple(face for face in clip.faces.detections if face.time_ms > 2600)
    smart = replace(
        clip, faces=replace(clip.faces, detections=late), render=RenderSettings(smart_render=True)
    )

    plan = smart.plan()
    assert plan is not None

    assert [span.start_pts for span in plan.spans] == [0, 38400, 46080, 53760]


def test_hours_beyond_the_limit_are_refused_by_name(tmp_path: Path) -> None:
    """Ten hours with a frame every ten minutes: sparse, and longer than Rekognition takes."""
    clip = replace(CLIP, pts=[minute * 60 * 30 for minute in range(0, 601, 10)])

    with pytest.raises(VideoTooLarge, match="is 36000 s long; the limit is 21600 s"):
        planner(tmp_path / "clip.mp4", clip).plan()


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    """A file that cannot be opened is not split."""
    broken = planner(tmp_path / "clip.mp4")
    content = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(content[: len(content) // 2])

    with pytest.raises((DamagedVideo, NotAVideo)):
        broken.plan()


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Rendering functions read the plan that the planning function wrote."""
    plan = planner(tmp_path / "clip.mp4").plan()
    assert plan is not None

    assert Plan.from_json(plan.to_json()) == plan
