"""The length of real files by their index: as FFmpeg writes it, in every way it can."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av import VideoFrame
from av.video.stream import VideoStream

from chalicelib.admission import require_within
from chalicelib.contract.errors import NotAVideo, VideoTooLarge
from chalicelib.movie_index import Movie, read_movie
from chalicelib.settings import VideoLimits
from tests.clips.portraits import SIZE, make_portrait_clip, standing

SIX_HOURS_S = 6 * 3600
BOMB_BYTES = 600_000


def length(path: Path) -> Movie:
    """Return what the file at `path` says of itself."""
    content = path.read_bytes()
    return read_movie(lambda begin, end: content[begin:end], len(content))


def remuxed(source: Path, target: Path, movflags: str = "") -> Path:
    """Copy the packets of `source` into a container of another make."""
    options = {"movflags": movflags} if movflags else {}
    with av.open(str(source)) as video, av.open(str(target), "w", options=options) as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in video.streams}
        for packet in video.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    return target


def make_bomb(path: Path, seconds: int) -> Path:
    """Write a video of one small black frame a second: hours of it fit half a megabyte."""
    black = VideoFrame(64, 64, "yuv420p")
    for plane in black.planes:
        plane.update(bytes(plane.buffer_size))
    options = {"preset": "ultrafast", "x264-params": "keyint=infinite:scenecut=0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for second in range(seconds):
            black.pts = second
            container.mux(stream.encode(black))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two seconds of video with sound."""
    return make_portrait_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", standing(2.0))


@pytest.mark.parametrize(
    "movflags",
    [
        "",
        "faststart",
        "frag_keyframe+empty_moov",
        "frag_keyframe+delay_moov",
        "frag_every_frame+empty_moov+default_base_moof",
        "frag_every_frame+global_sidx",
        "dash+frag_every_frame",
    ],
)
def test_length_and_size_are_those_of_the_video(clip: Path, tmp_path: Path, movflags: str) -> None:
    """The sound is a little longer than the picture: the longest counts."""
    found = length(remuxed(clip, tmp_path / "copy.mp4", movflags))

    assert (found.width, found.height) == SIZE
    assert 2 <= found.duration_s < Fraction(21, 10)


def test_mov_is_read_and_matroska_is_not(clip: Path, tmp_path: Path) -> None:
    """The length of a MOV file is read; a Matroska file is refused."""
    assert length(remuxed(clip, tmp_path / "copy.mov")).duration_s >= 2
    with pytest.raises(NotAVideo):
        length(remuxed(clip, tmp_path / "copy.mkv"))


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    """A video of a single frame is accepted."""
    assert length(make_bomb(tmp_path / "one.mp4", 1)).duration_s > 0


def test_hours_in_half_a_megabyte_are_known_before_they_are_paid_for(tmp_path: Path) -> None:
    """Six hours of Rekognition are $36; with MAX_DURATION_S=3600 not one minute of them is started."""
    path = make_bomb(tmp_path / "bomb.mp4", SIX_HOURS_S)

    found = length(path)

    assert path.stat().st_size < BOMB_BYTES
    assert found.duration_s == SIX_HOURS_S
    with pytest.raises(VideoTooLarge, match="is 21600 s long; the limit MAX_DURATION_S is 3600"):
        require_within(VideoLimits(max_duration_s=3600), found, "s3://input/bomb.mp4")
    require_within(VideoLimits(), found, "s3://input/bomb.mp4")


def test_a_second_over_six_hours_is_refused_by_default(tmp_path: Path) -> None:
    """By default videos over six hours, Rekognition's limit, are refused."""
    found = length(make_bomb(tmp_path / "bomb.mp4", SIX_HOURS_S + 1))

    with pytest.raises(VideoTooLarge, match="is 21601 s long; the limit MAX_DURATION_S is 21600"):
        require_within(VideoLimits(), found, "s3://input/bomb.mp4")
