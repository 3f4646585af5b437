"""Ends and gaps: when the last frame ends, frames of one time, and samples that hold nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings, Settings
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import OutputMismatch
from tests.checks import segmented
from tests.checks.readback import audio_packets, detail, shown_frames, video_times
from tests.checks.segmented import InSegments, ignore
from tests.clips import Clip, Face, document_of, faces_document, make_clip
from tests.clips.mp4_edits import payload_of, with_edits, with_empty_sample, with_steps

PLAIN = {"preset": "veryfast", "crf": "12", "bf": "0", "g": "6"}
B_FRAMES = {"preset": "veryfast", "crf": "12", "x264-params": "bframes=3:keyint=8:scenecut=0"}
CLIP = Clip(
    faces=[Face(width=0.3, height=0.5)], frame_rate=Fraction(10), time_base=Fraction(1, 10_000), options=PLAIN
)
SETTINGS = Settings("work", "output", "1", RenderSettings())
FULL, SMART = RenderSettings(), RenderSettings(smart_render=True)
BLURRED = 12.0


def render(source: Path, clip: Clip, settings: RenderSettings = FULL) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    return segmented.render(source, faces_document(clip), settings)


def in_segments(source: Path, clip: Clip, settings: RenderSettings = FULL) -> RenderReport:
    """Render `source` to `out.mp4` beside it, in segments."""
    scene = InSegments(source, faces_document(clip), source.parent, settings)
    return scene.join(scene.parts(), source.with_name("out.mp4"))


def with_long_end(clip: Clip, path: Path, seconds: int) -> Path:
    """Write `clip` to `path`, whose last frame is shown for so long."""
    plain = make_clip(path.with_name("plain.mp4"), clip)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0], opaque=True)
        packets = [packet for packet in source.demux(video=0) if packet.size]
        last = max(packets, key=lambda packet: packet.pts or 0)
        last.duration = int(seconds / last.time_base)
        for packet in packets:
            packet.stream = video
            target.mux_one(packet)
    return path


def length_of(path: Path) -> Fraction:
    """Return how long the video of `path` lasts, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return (stream.duration or 0) * (stream.time_base or Fraction(0))


def uncovered_faces(path: Path, clip: Clip) -> list[float]:
    """Return how much detail the face has in each frame that is not blurred."""
    found = [detail(frame.luma, clip.faces[0].box_at(float(frame.time))) for frame in shown_frames(path)]
    return [one for one in found if one > BLURRED]


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        pytest.param("in.mp4", CLIP, id="H.264"),
        pytest.param("in.mov", replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={}), id="MJPEG"),
        pytest.param("in.mp4", replace(CLIP, pixel_format="yuv420p10le"), id="10 bits, to HEVC"),
        pytest.param("in.mkv", CLIP, id="Matroska"),
        pytest.param(
            "in.mkv",
            replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={}),
            id="MJPEG in Matroska",
        ),
        pytest.param(
            "in.mp4", replace(CLIP, codec="libx265", options={"x265-params": "bframes=0"}), id="HEVC"
        ),
    ],
)
@pytest.mark.parametrize("settings", [FULL, SMART], ids=["full", "smart"])
def test_the_last_frame_stays_as_long_as_it_was(
    tmp_path: Path, name: str, clip: Clip, settings: RenderSettings
) -> None:
    """A slide show, or a screen where nothing moves, ends with a frame of many seconds."""
    source = with_long_end(clip, tmp_path / name, 9)

    report = render(source, clip, settings)

    assert length_of(tmp_path / "out.mp4") == Fraction(99, 10)
    assert (report.end_pts - report.pts[-1]) * report.time_base == 9
    assert uncovered_faces(tmp_path / "out.mp4", clip) == []


@pytest.mark.parametrize("settings", [FULL, SMART], ids=["full", "smart"])
def test_segments_end_when_the_video_does(tmp_path: Path, settings: RenderSettings) -> None:
    """The last of them holds the long frame."""
    source = with_long_end(CLIP, tmp_path / "in.mp4", 9)

    in_segments(source, CLIP, settings)

    assert length_of(tmp_path / "out.mp4") == Fraction(99, 10)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_uneven_frames_that_are_reordered_end_when_they_should(tmp_path: Path, pixels: str) -> None:
    """Encoded with B-frames, by x264 or x265, the last frame shown would not be the last one decoded."""
    times = [0, 500, 2500, 2600, 7000, 9000, 9100, 12_000]
    clip = replace(CLIP, pts=times, options=B_FRAMES, pixel_format=pixels)
    source = with_long_end(clip, tmp_path / "in.mkv", 3)

    render(source, clip)

    assert length_of(tmp_path / "out.mp4") == Fraction(42, 10)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda source: render(source, CLIP), id="one piece"),
        pytest.param(lambda source: render(source, CLIP, SMART), id="smart"),
        pytest.param(lambda source: in_segments(source, CLIP), id="segments"),
    ],
)
def test_an_edit_may_end_in_the_middle_of_a_frame(
    tmp_path: Path, run: Callable[[Path], RenderReport]
) -> None:
    """The last frame is shown as long as players show it."""
    source = make_clip(tmp_path / "in.mp4", CLIP)
    source.write_bytes(with_edits(source.read_bytes(), [(950, 0)]))

    run(source)

    assert length_of(tmp_path / "out.mp4") == Fraction(95, 100)


@pytest.mark.parametrize("b_frames", [2, 3])
def test_a_copied_end_whose_last_frame_is_not_decoded_last_is_kept(tmp_path: Path, b_frames: int) -> None:
    """A smart render without faces copies the source's own order."""
    times = [0, 500, 2500, 2600, 7000, 9000, 9100, 12_000, 12_500, 16_000, 16_100]
    options = {"preset": "veryfast", "x264-params": f"bframes={b_frames}:b-adapt=0:keyint=30:scenecut=0"}
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, pts=times, options=options))
    target = tmp_path / "out.mp4"

    report = redact_video(source, target, document_of([]), SMART, ignore)
    verify_output(target, report)

    assert report.file.frames_copied == len(times)
    assert length_of(target) == (report.end_pts - report.pts[0]) * report.time_base


def test_an_output_that_ends_early_is_found(tmp_path: Path) -> None:
    """Verification compares the end, not only when each frame begins."""
    source = with_long_end(CLIP, tmp_path / "in.mp4", 9)
    report = render(source, CLIP)

    with pytest.raises(OutputMismatch, match=r"duration|end of the last frame"):
        verify_output(tmp_path / "out.mp4", replace(report.file, end_pts=report.end_pts - 1))


def at_one_time(path: Path, clip: Clip) -> Path:
    """Write `clip` to `path` with its fifth sample lasting no time, the sixth twice as long."""
    make_clip(path, clip)
    content = path.read_bytes()
    count = struct.unpack_from(">I", payload_of(content, b"stsz"), 8)[0]
    path.write_bytes(with_steps(content, [(4, 1000), (1, 0), (1, 2000), (count - 6, 1000)]))
    return path


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        pytest.param("in.mp4", CLIP, id="H.264"),
        pytest.param("in.mov", replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={}), id="MJPEG"),
        pytest.param(
            "in.mp4", replace(CLIP, codec="libx265", options={"x265-params": "bframes=0"}), id="HEVC"
        ),
    ],
)
@pytest.mark.parametrize("settings", [FULL, SMART], ids=["full", "smart"])
def test_of_frames_of_one_time_the_last_is_shown(
    tmp_path: Path, name: str, clip: Clip, settings: RenderSettings
) -> None:
    """Of two frames with one pts the last is written; the manifest counts the other."""
    source = at_one_time(tmp_path / name, clip)

    report = render(source, clip, settings)

    assert video_times(tmp_path / "out.mp4") == [Fraction(n, 10) for n in (0, 1, 2, 3, 4, 6, 7, 8, 9)]
    assert report_to_json(report, Steps(), SETTINGS)["frames_merged"] == 1
    assert uncovered_faces(tmp_path / "out.mp4", clip) == []


def test_segments_count_frames_of_one_time(tmp_path: Path) -> None:
    """The plan has them in its sum, the video has not."""
    source = at_one_time(tmp_path / "in.mp4", CLIP)
    scene = InSegments(source, faces_document(CLIP), tmp_path, SMART)

    report = in_segments(source, CLIP, SMART)

    assert (len(report.pts), report.file.tally.merged) == (9, 1)
    assert report.frames_decoded == scene.plan().frames


@pytest.mark.parametrize("number", [3, 9], ids=["in the middle", "at the end"])
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda source: render(source, CLIP), id="one piece"),
        pytest.param(lambda source: render(source, CLIP, SMART), id="smart"),
        pytest.param(lambda source: in_segments(source, CLIP), id="segments"),
        pytest.param(lambda source: in_segments(source, CLIP, SMART), id="smart segments"),
    ],
)
def test_a_sample_without_bytes_prolongs_the_frame_before(
    tmp_path: Path, number: int, run: Callable[[Path], RenderReport]
) -> None:
    """An empty sample, which stands for a dropped frame, extends the frame before it."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, options={**PLAIN, "g": "1"}))
    source.write_bytes(with_empty_sample(source, 0, number))

    run(source)

    assert video_times(tmp_path / "out.mp4") == [Fraction(n, 10) for n in range(10) if n != number]
    assert length_of(tmp_path / "out.mp4") == 1


@pytest.mark.parametrize("codec", ["aac", "libmp3lame"])
def test_packets_of_sound_of_one_time_are_copied(tmp_path: Path, codec: str) -> None:
    """Audio packets with one pts are copied a tick apart, as MP4 requires."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, audio=[codec]))
    content = source.read_bytes()
    count = struct.unpack_from(">I", payload_of(content, b"stsz", 1), 8)[0]
    runs = [(7, 1024), (2, 0), (1, 3072), (count - 10, 1024)]
    source.write_bytes(with_steps(content, runs, 1))

    render(source, CLIP)

    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)


@pytest.mark.parametrize("codec", ["aac", "ac3", "libmp3lame"])
def test_a_sample_of_sound_without_bytes_costs_nothing(tmp_path: Path, codec: str) -> None:
    """An empty audio sample is left out; all others are copied at their times."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, audio=[codec]))
    before = audio_packets(source)[0]
    source.write_bytes(with_empty_sample(source, 1, 7))

    render(source, CLIP)

    assert audio_packets(tmp_path / "out.mp4")[0] == [*before[:7], *before[8:]]
