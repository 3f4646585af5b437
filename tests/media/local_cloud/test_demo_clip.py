"""The demo clip and the before/after picture, re-opened."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from blur_container.analysis.face_detector import FaceDetector
from chalicelib.contract.faces import Box
from local_cloud.commands.before_after import before_after
from local_cloud.commands.demo_clip import (
    FRAME_COUNT,
    FRAME_RATE,
    FRAME_SIZE,
    PORTRAIT_FACE,
    make_demo_clip,
    position_at,
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo clip."""
    path = tmp_path_factory.mktemp("demo") / "demo.mp4"
    make_demo_clip(path)
    return path


def frame_at(path: Path, time_s: float) -> NDArray[np.uint8]:
    """Return the frame shown at the time, RGB."""
    with av.open(str(path)) as container:
        frame = next(frame for frame in container.decode(video=0) if (frame.time or 0.0) >= time_s)
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def write_plain(path: Path, brightness: int, *, turned_deg: int = 0) -> Path:
    """Write ten frames of 64 x 32 pixels, the upper left quarter white, the rest as bright as asked."""
    picture = np.full((32, 64, 3), brightness, np.uint8)
    picture[:16, :32] = 255
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(turned_deg)
        for number in range(10):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_clip_is_what_browsers_play(clip: Path) -> None:
    """H.264 yuv420p at 30000/1001 frames/s with stereo AAC, the index in front."""
    with av.open(str(clip)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]

        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (1280, 720, FRAME_RATE)
        assert (audio.codec_context.name, audio.codec_context.layout.name) == ("aac", "stereo")
    assert clip.read_bytes().index(b"moov") < clip.read_bytes().index(b"mdat")


def test_clip_has_every_frame_in_time(clip: Path) -> None:
    """240 frames, each at its multiple of 1001/30000 s."""
    with av.open(str(clip)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]

    assert times == [number / FRAME_RATE for number in range(FRAME_COUNT)]


def test_clip_is_not_silent(clip: Path) -> None:
    """The sound is there, and does not clip."""
    with av.open(str(clip)) as container:
        loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0))

    assert 0.05 < loudest < 0.9


def face_box_at(time_s: float) -> Box:
    """Return the face's true box; it is outside the frame before the face enters and after it leaves."""
    position = position_at(time_s)
    width, height = FRAME_SIZE
    box_width = (PORTRAIT_FACE[2] - PORTRAIT_FACE[0]) * position.scale
    box_height = (PORTRAIT_FACE[3] - PORTRAIT_FACE[1]) * position.scale
    return Box(
        left=(position.x - box_width / 2) / width,
        top=(position.y - box_height / 2) / height,
        width=box_width / width,
        height=box_height / height,
    )


@pytest.mark.parametrize("time_s", [2.0, 3.5, 4.7, 5.6, 6.4])
def test_face_is_where_the_truth_says(clip: Path, time_s: float) -> None:
    """The detector finds one face, at the place the clip says."""
    (face,) = FaceDetector().detect(frame_at(clip, time_s))

    truth = face_box_at(time_s)
    found = (face.box.left, face.box.top, face.box.right, face.box.bottom)
    assert found == pytest.approx((truth.left, truth.top, truth.right, truth.bottom), abs=0.04)


@pytest.mark.parametrize("time_s", [0.0, 7.9])
def test_clip_begins_and_ends_without_a_face(clip: Path, time_s: float) -> None:
    """No face is found before the face enters and after it leaves."""
    assert FaceDetector().detect(frame_at(clip, time_s)) == ()


def test_face_crosses_two_borders_on_its_way() -> None:
    """The face enters over the left border and leaves over the right one."""
    boxes = [face_box_at(number / 30) for number in range(FRAME_COUNT)]

    assert any(box.left < 0 < box.right for box in boxes)
    assert any(box.left < 1 < box.right for box in boxes)


def test_picture_shows_both_videos_side_by_side(tmp_path: Path) -> None:
    """The left half is the source, the right half the blurred video, the labels lie below."""
    source = write_plain(tmp_path / "source.mp4", 40)
    blurred = write_plain(tmp_path / "blurred.mp4", 120)

    before_after(source, blurred, tmp_path / "both.png", 0.5)

    picture = cv2.imread(str(tmp_path / "both.png"))
    assert picture is not None
    assert picture.shape == (32, 136, 3)
    assert picture[8, 48].tolist() == pytest.approx([40] * 3, abs=4)
    assert picture[8, 72 + 48].tolist() == pytest.approx([120] * 3, abs=4)


def test_picture_of_a_turned_video_is_upright(tmp_path: Path) -> None:
    """Turned 90 degrees clockwise, the white quarter is on the upper right."""
    video = write_plain(tmp_path / "turned.mp4", 40, turned_deg=-90)

    before_after(video, video, tmp_path / "both.png", 0.0)

    picture = cv2.imread(str(tmp_path / "both.png"))
    assert picture is not None
    assert picture.shape == (64, 72, 3)
    assert picture[16, 24].tolist() == pytest.approx([255] * 3, abs=4)
    assert picture[16, 8].tolist() == pytest.approx([40] * 3, abs=4)


def test_picture_is_at_most_1600_wide(clip: Path, tmp_path: Path) -> None:
    """Two halves of 796 and the gap between them."""
    before_after(clip, clip, tmp_path / "both.png", 4.7)

    picture = cv2.imread(str(tmp_path / "both.png"))
    assert picture is not None
    assert picture.shape == (448, 1600, 3)


@pytest.mark.parametrize("at_s", [-1.0, 99.0])
def test_picture_outside_the_video_takes_its_first_or_last_frame(tmp_path: Path, at_s: float) -> None:
    """A time that no frame has is no error."""
    video = write_plain(tmp_path / "plain.mp4", 40)

    before_after(video, video, tmp_path / "both.png", at_s)

    assert (tmp_path / "both.png").exists()


def test_picture_of_a_file_without_video_is_refused(tmp_path: Path) -> None:
    """A before/after picture of a file without video is refused."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with pytest.raises(ValueError, match="no video stream"):
        before_after(path, path, tmp_path / "both.png", 0.0)
