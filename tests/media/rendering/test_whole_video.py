"""Rendered files, opened again: faces gone, everything else as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from blur_container.rendering.progress import Progress
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.writing.stream_selection import DroppedStream
from chalicelib.contract.faces import Box, Detection
from tests.checks.readback import (
    audio_packets,
    audio_starts,
    psnr_outside,
    shown_frames,
    video_times,
    worst_detail,
)
from tests.checks.segmented import render
from tests.clips import Clip, Face, document_of, faces_document, make_clip

GONE = 12.0  # Faces of the clips show 60 and more, half of one 30; the slopes between cells 10 at most.
LIKE_DB = 38.0
PICTURE = "a picture beside the video"
VFR_PTS = (0, 20, 70, 75, 130, 190, 200, 290, 300, 400)
BORDERS = [
    pytest.param(Face(left=-0.08), id="left"),
    pytest.param(Face(left=0.92), id="right"),
    pytest.param(Face(top=-0.2), id="top"),
    pytest.param(Face(top=0.85), id="bottom"),
]


def test_video_without_faces_comes_back_as_it_was(tmp_path: Path) -> None:
    """Without detections the picture is unchanged but for the transcoding."""
    clip = Clip(faces=[Face(speed_x=0.3)])
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, document_of([]))

    pairs = zip(shown_frames(source), shown_frames(tmp_path / "out.mp4"), strict=True)
    assert report.file.frames_with_faces == 0
    assert min(psnr_outside(before.luma, after.luma, []) for before, after in pairs) >= LIKE_DB


def test_no_face_keeps_its_detail_in_any_frame(tmp_path: Path) -> None:
    """Faces that move and stand are unreadable from the first frame to the last."""
    clip = Clip(faces=[Face(left=0.1, speed_x=0.4), Face(left=0.7, top=0.5)], seconds=1.5)
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, faces_document(clip, interval_ms=200))

    assert report.file.frames_with_faces == 45
    assert worst_detail(source, clip) > 60
    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


@pytest.mark.parametrize("phase_ms", [0, 170, 340, 466])
def test_sparse_samples_cover_all_frames_between_and_around(tmp_path: Path, phase_ms: int) -> None:
    """Two looks a second, at any phase, cover a walking face before, between and after them."""
    clip = Clip(faces=[Face(left=0.2, speed_x=0.15)], seconds=1.5)
    source = make_clip(tmp_path / "in.mp4", clip)
    every = faces_document(clip, interval_ms=1).detections
    sampled = [seen for seen in every if (seen.time_ms - phase_ms) % 500 < 33]

    render(source, document_of(sampled))

    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


@pytest.mark.parametrize("face", BORDERS)
def test_face_over_a_border_is_blurred(tmp_path: Path, face: Face) -> None:
    """Boxes that leave the frame blur what is inside it."""
    clip = Clip(faces=[face], seconds=0.3)
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, faces_document(clip))

    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


def test_face_outside_the_frame_changes_nothing(tmp_path: Path) -> None:
    """A box wholly outside has no pixel to blur."""
    clip = Clip(seconds=0.2)
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, document_of([Detection(0, Box(1.5, 0.2, 0.1, 0.1), 99.0)]))

    assert report.file.frames_with_faces == 0


def test_picture_outside_the_masks_stays(tmp_path: Path) -> None:
    """The decoder predicts later frames from earlier ones: blur must not spread through its references."""
    faces = [Face(left=0.05, speed_x=0.6), Face(left=0.6, top=0.6, width=0.1, height=0.2)]
    clip = Clip(faces=faces, options={"preset": "veryfast", "crf": "12", "bf": "0"})
    source = make_clip(tmp_path / "in.mp4", clip)
    seen = [found for found in faces_document(clip, interval_ms=1).detections if found.box.top < 0.5]

    render(source, document_of(seen))

    pairs = zip(clip.times, shown_frames(source), shown_frames(tmp_path / "out.mp4"), strict=True)
    likeness = [
        psnr_outside(before.luma, after.luma, clip.boxes(pts)[:1], margin=0.6) for pts, before, after in pairs
    ]
    assert min(likeness) >= LIKE_DB


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        pytest.param("in.mp4", Clip(frame_rate=Fraction(30000, 1001)), id="29.97"),
        pytest.param("in.mp4", Clip(frame_rate=Fraction(25), time_base=Fraction(1, 12800)), id="25"),
        pytest.param("in.mp4", Clip(pts=VFR_PTS, time_base=Fraction(1, 600)), id="variable"),
        pytest.param(
            "in.mp4", Clip(pts=range(4500, 90000, 3003), time_base=Fraction(1, 90000)), id="late start"
        ),
        pytest.param("in.mp4", Clip(options={"preset": "veryfast", "bf": "0"}), id="no B-frames"),
        pytest.param("in.mp4", Clip(options={"x264-params": "open-gop=1:keyint=8:bframes=3"}), id="open GOP"),
        pytest.param(
            "in.mp4", Clip(container_options={"movflags": "frag_keyframe+empty_moov"}), id="fragments"
        ),
        pytest.param("in.mov", Clip(), id="mov"),
        pytest.param("in.mkv", Clip(time_base=Fraction(1, 1000)), id="mkv"),
    ],
)
def test_every_frame_keeps_its_time(tmp_path: Path, name: str, clip: Clip) -> None:
    """Times are equal as fractions: no rounding, no drift, no frame more or less."""
    source = make_clip(tmp_path / name, replace(clip, faces=[Face()], audio=["aac"]))

    render(source, faces_document(replace(clip, faces=[Face()])))

    assert video_times(tmp_path / "out.mp4") == [shown.time for shown in shown_frames(source)]
    assert audio_starts(tmp_path / "out.mp4") == audio_starts(source)


def test_audio_packets_are_copied_bit_for_bit(tmp_path: Path) -> None:
    """Every audio stream comes out with the same packets in the same order."""
    source = make_clip(tmp_path / "in.mp4", Clip(audio=["aac", "ac3"], seconds=1.2))

    report = render(source, document_of([]))

    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)
    assert [digest.packets for digest in report.beside.audio] == [
        len(packets) for packets in audio_packets(source)
    ]


def test_video_without_audio_has_none_afterwards(tmp_path: Path) -> None:
    """A video without an audio stream gets none."""
    source = make_clip(tmp_path / "in.mp4", Clip())

    render(source, document_of([]))

    assert audio_packets(tmp_path / "out.mp4") == []


@pytest.mark.parametrize("seconds", [0.3, 2.5])
def test_audio_may_be_longer_or_shorter_than_the_video(tmp_path: Path, seconds: float) -> None:
    """All audio is kept, whether audio or video ends first."""
    clip = Clip(audio=["aac"], seconds=seconds, pts=range(30))
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, document_of([]))

    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_video_is_blurred_where_it_is_displayed(tmp_path: Path, rotation: int) -> None:
    """Boxes of the displayed frame find their place in the coded one; the display matrix stays."""
    clip = Clip(faces=[Face(left=0.1, top=0.15, speed_x=0.2)], rotation=rotation, size=(320, 240))
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, faces_document(clip))

    assert worst_detail(source, clip) > 60
    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


def test_boxes_of_the_coded_frame_are_used_as_they_are(tmp_path: Path) -> None:
    """A detector that did not turn the frame reports its coded size: its boxes count in that."""
    clip = Clip(faces=[Face(left=0.1, top=0.2, width=0.2, height=0.2)], rotation=90, size=(180, 320))
    source = make_clip(tmp_path / "in.mp4", clip)
    # Turned clockwise by a quarter, x and y of the displayed box become 1 - bottom and left.
    coded = Detection(0, Box(1 - 0.4, 0.1, 0.2, 0.2), 99.0)

    render(source, document_of([coded, replace(coded, time_ms=500), replace(coded, time_ms=999)], (320, 180)))

    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


def test_output_plays_in_browsers(tmp_path: Path) -> None:
    """H.264 in 8-bit 4:2:0, and the index before the pictures."""
    source = make_clip(tmp_path / "in.mp4", Clip(audio=["aac"]))

    render(source, document_of([]))

    written = (tmp_path / "out.mp4").read_bytes()
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
    assert written.index(b"moov") < written.index(b"mdat")


@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_other_pixel_formats_are_blurred_too(tmp_path: Path, pixel_format: str) -> None:
    """Other pixel formats become 8-bit 4:2:0 of the same brightness, with faces blurred."""
    clip = Clip(faces=[Face()], pixel_format=pixel_format, seconds=0.5)
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, faces_document(clip))

    pairs = zip(clip.times, shown_frames(source), shown_frames(tmp_path / "out.mp4"), strict=True)
    likeness = [psnr_outside(one.luma, two.luma, clip.boxes(pts), margin=0.5) for pts, one, two in pairs]
    assert worst_detail(tmp_path / "out.mp4", clip) < GONE
    assert min(likeness) >= LIKE_DB


def test_looks_are_kept(tmp_path: Path) -> None:
    """Colour range, primaries, transfer, matrix and the shape of pixels come out as they went in."""
    clip = Clip(color=(1, 1, 13, 1), sample_aspect_ratio=Fraction(4, 3))
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, document_of([]))

    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace) == clip.color
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_places_and_devices_do_not_survive_in_tags(tmp_path: Path) -> None:
    """Tags are kept by an allow-list: a title is, a location is not."""
    tags = {"title": "Harbour", "location": "+53.5+010.0/", "com.apple.quicktime.model": "Phone 3"}
    clip = Clip(metadata=tags, container_options={"movflags": "use_metadata_tags"})
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source, document_of([]))

    with av.open(str(source)) as container:
        assert set(tags) <= set(container.metadata)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert set(tags) & set(container.metadata) == {"title"}


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    """A single frame is blurred like any other."""
    clip = Clip(faces=[Face()], pts=[0])
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, faces_document(clip))

    assert len(report.pts) == 1
    assert worst_detail(tmp_path / "out.mp4", clip) < GONE


def test_crowd_of_three_thousand_faces_is_rendered(tmp_path: Path) -> None:
    """3,000 detections of one moment, and as many half a second later."""
    places = [(index % 60 / 60, index // 60 / 50) for index in range(3000)]
    crowd = [Detection(time, Box(x, y, 0.015, 0.02), 80.0) for time in (0, 500) for x, y in places]
    source = make_clip(tmp_path / "in.mp4", Clip(seconds=0.2))

    report = render(source, document_of(crowd))

    assert report.faces.detections == 6000
    assert report.faces.tracks == 3000


def test_detections_in_doubt_are_left_out_only_when_asked(tmp_path: Path) -> None:
    """The default blurs what the detector reports, however unsure it was."""
    source = make_clip(tmp_path / "in.mp4", Clip(seconds=0.2))
    unsure = document_of([Detection(0, Box(0.2, 0.2, 0.2, 0.2), 5.0)])

    blurred = render(source, unsure)
    skipped = render(source, unsure, RenderSettings(min_confidence=50.0))

    assert (blurred.faces.tracks, skipped.faces.tracks) == (1, 0)


def test_cover_picture_is_neither_rendered_nor_kept(tmp_path: Path) -> None:
    """A cover picture can show a face and is no video."""
    source = make_clip(tmp_path / "plain.mp4", Clip(faces=[Face()]))
    covered = with_cover(source, tmp_path / "in.mp4")

    report = render(covered, document_of([]))

    assert len(report.pts) == 30
    assert report.dropped_streams == (DroppedStream("video", "mjpeg", PICTURE),)


def with_cover(source: Path, target: Path) -> Path:
    """Copy `source` with a cover picture in front."""
    with av.open(str(source)) as plain, av.open(str(target), "w") as container:
        cover = container.add_stream("mjpeg", rate=1, width=64, height=64, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        video = container.add_stream_from_template(plain.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        for packet in plain.demux(plain.streams.video[0]):
            if packet.size:
                packet.stream = cast("Any", video)
                container.mux(packet)
    return target


def test_rendering_twice_gives_equal_files(tmp_path: Path) -> None:
    """The output depends on source, faces and settings alone; x264 itself only with one thread."""
    clip = Clip(faces=[Face(speed_y=0.2)], audio=["aac"])
    source = make_clip(tmp_path / "in.mp4", clip)
    one_thread = replace(RenderSettings(), encoder_threads=1)

    render(source, faces_document(clip), one_thread)
    first = (tmp_path / "out.mp4").read_bytes()
    render(source, faces_document(clip), one_thread)

    assert (tmp_path / "out.mp4").read_bytes() == first


def test_progress_counts_up_to_the_last_frame(tmp_path: Path) -> None:
    """Each frame is reported once, against the number the container tells."""
    source = make_clip(tmp_path / "in.mp4", Clip(seconds=0.5))
    told: list[Progress] = []

    redact_video(source, tmp_path / "out.mp4", document_of([]), RenderSettings(), told.append)

    assert told == [Progress(count, 15) for count in range(1, 16)]


def test_report_tells_what_was_found(tmp_path: Path) -> None:
    """The figures for the manifest: interval, tracks, detections, the video."""
    clip = Clip(faces=[Face(), Face(left=0.7)], frame_rate=Fraction(30000, 1001))
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, faces_document(clip, interval_ms=500))

    assert math.isclose(report.faces.sampling_interval_ms, 500, abs_tol=34)
    assert (report.faces.tracks, report.faces.detections, report.source.codec) == (2, 4, "h264")
    assert report.source.frame_rate == Fraction(30000, 1001)
