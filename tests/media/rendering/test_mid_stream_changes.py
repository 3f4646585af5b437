"""What changes on the way: size, colours, shape of pixels; made like the first frame, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from blur_container.rendering.report import RenderReport
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.writing.frame_format import arrays
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import UnsupportedVideo
from tests.checks.readback import detail, psnr_outside, shown_frames, video_times
from tests.checks.segmented import InSegments, ignore
from tests.clips import Clip, Face
from tests.clips.joined import join_clips, joined_boxes, joined_faces, letterboxed

GONE = 20.0  # Faces of the clips show 60 and more; the cells of a picture that is made smaller are steeper.
LIKE_DB = 34.0
IN_ORDER = {"preset": "veryfast", "crf": "10", "bf": "0", "g": "15", "x264-params": "keyint=15:scenecut=0"}
PLAIN = Clip(faces=[Face(left=0.2, top=0.2, speed_x=0.15)], size=(320, 240), options=IN_ORDER)
SMALL, TALL = replace(PLAIN, size=(160, 120)), replace(PLAIN, size=(180, 320))
HEVC = {
    "preset": "ultrafast",
    "crf": "10",
    "x265-params": "keyint=15:bframes=0:repeat-headers=1:log-level=none",
}
VP8 = {"deadline": "realtime", "cpu-used": "8", "crf": "4", "b": "2M", "auto-alt-ref": "0", "g": "15"}
LIMITED, FULL = (1, 1, 1, 1), (2, 1, 1, 1)
BT601 = (1, 1, 1, 5)
SETTINGS = RenderSettings()
SMART = RenderSettings(smart_render=True)


def as_kind(clip: Clip, codec: str) -> Clip:
    """Return `clip` in another codec."""
    options = {"libx264": IN_ORDER, "mjpeg": {"qmin": "2", "qmax": "2"}, "libx265": HEVC}
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return replace(clip, codec=codec, pixel_format=pixels, options=options.get(codec, VP8))


SIZES = {
    "H.264 in MP4, shrinks": ("in.mp4", "libx264", [PLAIN, SMALL]),
    "H.264 in MP4, grows": ("in.mp4", "libx264", [SMALL, PLAIN]),
    "H.264 in Matroska, is turned": ("in.mkv", "libx264", [PLAIN, TALL, PLAIN]),
    "VP8 in WebM, shrinks and grows": ("in.webm", "libvpx", [PLAIN, SMALL, TALL]),
    "VP9 in MP4, is turned": ("in.mp4", "libvpx-vp9", [TALL, PLAIN]),
    "Motion JPEG in MOV, grows": ("in.mov", "mjpeg", [SMALL, PLAIN]),
    "HEVC in MP4, shrinks": ("in.mp4", "libx265", [PLAIN, SMALL]),
}


def clips_of(kind: str) -> tuple[str, list[Clip]]:
    """Return the file's name, and its clips, of one of the kinds."""
    name, codec, clips = SIZES[kind]
    return name, [as_kind(clip, codec) for clip in clips]


def worst_detail(path: Path, clips: Sequence[Clip]) -> float:
    """Return the most detail left in any face of any frame, wherever its picture is fitted in."""
    sizes = [clip.size for clip in clips for _ in clip.times]
    shown = zip(shown_frames(path), joined_boxes(clips), sizes, strict=True)
    return max(
        detail(frame.luma, letterboxed(box, size, clips[0].size))
        for frame, boxes, size in shown
        for box in boxes
    )


def render(source: Path, clips: Sequence[Clip], settings: RenderSettings = SETTINGS) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    target = source.with_name("out.mp4")
    report = redact_video(source, target, joined_faces(clips), settings, ignore)
    verify_output(target, report)
    return report


def render_in_segments(
    source: Path, clips: Sequence[Clip], settings: RenderSettings = SETTINGS
) -> RenderReport:
    """Render `source` in segments to `out.mp4` beside it, and verify that."""
    segmented = InSegments(source, joined_faces(clips), source.parent, settings)
    return segmented.join(segmented.parts(), source.with_name("out.mp4"))


WAYS = {
    "one piece": render,
    "segments": render_in_segments,
}


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_that_changes_is_scaled_to_the_first(tmp_path: Path, kind: str) -> None:
    """Every frame is there at its time, in the first size, and no face is seen."""
    name, clips = clips_of(kind)
    source = join_clips(tmp_path / name, clips)

    report = render(source, clips)

    shown = shown_frames(tmp_path / "out.mp4")
    first = clips[0].size
    assert {frame.luma.shape for frame in shown} == {(first[1], first[0])}
    assert [frame.time for frame in shown] == video_times(source)
    assert worst_detail(tmp_path / "out.mp4", clips) < GONE
    assert [change for change in report.file.changes if "the first size" in change]


@pytest.mark.parametrize("settings", [SETTINGS, SMART], ids=["full", "smart"])
@pytest.mark.parametrize(
    "kind", ["H.264 in MP4, shrinks", "H.264 in MP4, grows", "Motion JPEG in MOV, grows"]
)
def test_a_size_that_changes_between_segments_is_scaled_too(
    tmp_path: Path, kind: str, settings: RenderSettings
) -> None:
    """Every segment is scaled to the size of the video's first frame."""
    name, clips = clips_of(kind)
    source = join_clips(tmp_path / name, clips)
    expected = render(source, clips, settings)

    report = render_in_segments(source, clips, settings)

    assert len(shown_frames(tmp_path / "out.mp4")) == 60
    assert worst_detail(tmp_path / "out.mp4", clips) < GONE
    assert report.file.changes == expected.file.changes


def test_bars_beside_a_turned_picture_are_black(tmp_path: Path) -> None:
    """Left and right of a tall picture in a wide frame nothing is left of an earlier one."""
    clips = [PLAIN, TALL]
    source = join_clips(tmp_path / "in.mkv", clips)

    render(source, clips)

    last = shown_frames(tmp_path / "out.mp4")[-1].luma
    assert last[:, :80].max() <= 20
    assert last[:, -80:].max() <= 20


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("colors", "words"),
    [
        ((LIMITED, FULL), "full range became limited, the first range"),
        ((FULL, LIMITED), "limited range became full, the first range"),
        ((LIMITED, BT601), "matrix 5 became 1, the first matrix"),
        ((BT601, LIMITED), "matrix 1 became 5, the first matrix"),
    ],
    ids=["full after limited", "limited after full", "601 after 709", "709 after 601"],
)
def test_range_and_matrix_become_those_of_the_first_frame(
    tmp_path: Path, way: str, colors: tuple[tuple[int, int, int, int], ...], words: str
) -> None:
    """Two recordings joined: all frames show the colours that were meant, under the first one's tags."""
    clips = [replace(PLAIN, color=color, faces=[Face()]) for color in colors]
    source = join_clips(tmp_path / "in.mp4", clips)

    report = WAYS[way](source, clips)

    assert report.file.changes == (words,)
    assert tags(tmp_path / "out.mp4") == {colors[0]}
    assert worst_detail(tmp_path / "out.mp4", clips) < GONE
    assert min(likeness(source, tmp_path / "out.mp4", clips)) > LIKE_DB


def tags(path: Path) -> set[tuple[int, int, int, int]]:
    """Return the colour tags of all frames."""
    with av.open(str(path)) as container:
        return {
            (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace)
            for frame in container.decode(video=0)
        }


def likeness(source: Path, output: Path, clips: Sequence[Clip]) -> list[float]:
    """Return how near red and blue of each frame are to the source's, in dB."""
    pairs = zip(red_and_blue(source), red_and_blue(output), joined_boxes(clips), strict=True)
    return [
        min(psnr_outside(one[n], other[n], boxes, margin=0.8) for n in (0, 1)) for one, other, boxes in pairs
    ]


def red_and_blue(path: Path) -> list[NDArray[np.uint8]]:
    """Return red and blue of all frames as their tags mean them: uint8 (2, height, width).

    By hand: FFmpeg's converter goes by the name of the format, which stays that of the first frame.
    """
    with av.open(str(path)) as container:
        return [_meant(frame) for frame in container.decode(video=0)]


def _meant(frame: VideoFrame) -> NDArray[np.uint8]:
    luma, *chroma = (plane.astype(np.float64) for plane in arrays(frame))
    blue, red = (np.kron(plane - 128, np.ones((2, 2))) for plane in chroma)
    if frame.color_range != FULL[0]:
        luma, blue, red = (luma - 16) * 255 / 219, blue * 255 / 224, red * 255 / 224
    red_share, blue_share = (0.2126, 0.0722) if frame.colorspace == FULL[3] else (0.299, 0.114)
    both = [luma + 2 * (1 - red_share) * red, luma + 2 * (1 - blue_share) * blue]
    return np.asarray(np.clip(np.round(both), 0, 255), np.uint8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(PLAIN, color=(1, 1, 16, 1)), "colours change"),
        (replace(PLAIN, color=(1, 9, 1, 1)), "colours change"),
        (replace(PLAIN, color=LIMITED, sample_aspect_ratio=Fraction(4, 3)), "sample aspect ratio changes"),
    ],
    ids=["transfer", "primaries", "sample aspect"],
)
def test_what_cannot_be_converted_exactly_is_refused(
    tmp_path: Path, way: str, other: Clip, words: str
) -> None:
    """A change mid-stream that cannot be converted exactly is refused."""
    clips = [replace(PLAIN, color=LIMITED), other]
    source = join_clips(tmp_path / "in.mp4", clips)

    with pytest.raises(UnsupportedVideo, match=words):
        WAYS[way](source, clips)

    assert not (tmp_path / "out.mp4").exists()
