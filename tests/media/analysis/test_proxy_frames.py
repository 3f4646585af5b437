"""Proxy frames: whatever is skipped or sought over, each picture is that of the frame itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from blur_container.analysis.proxy_frames import ProxyFrame, ProxyFrames, Skip, open_decoder
from blur_container.limits import Limits
from blur_container.reading.timestamps import presentation_time, time_base
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.timing import Clock
from tests.checks.readback import Luma
from tests.clips import Clip, Face, make_clip

# A decoder must not skip B-frames that others refer to.
PYRAMID = "b-pyramid=normal:ref=4:bframes=3:b-adapt=0:scenecut=0:keyint=30"
# Blocks without the loop filter differ by so much at most; a block of an older picture by 50 and more.
LOOP_FILTER_STEPS = 12
FACES = [Face(speed_x=0.25), Face(left=0.1, top=0.6, width=0.1, height=0.2, speed_x=0.6, speed_y=-0.2)]
CLIP = Clip(faces=FACES, seconds=2, options={"preset": "veryfast", "x264-params": PYRAMID})

OPEN_GOP = replace(CLIP, options={"x264-params": "open-gop=1:keyint=20:min-keyint=10:scenecut=0:bframes=3"})
REFRESH = replace(CLIP, options={"x264-params": "intra-refresh=1:keyint=25:bframes=0"})
HEVC = replace(CLIP, codec="libx265", options={"x265-params": "bframes=4:open-gop=1:keyint=20:log-level=0"})
VP9 = replace(CLIP, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
MJPEG = replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={"qscale": "3"})
MPEG4 = replace(CLIP, codec="mpeg4", options={"bf": "2", "qscale": "3"})
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
LATE = replace(CLIP, pts=[300_000 + index * 3000 for index in range(60)], time_base=Fraction(1, 90_000))

KINDS = [
    pytest.param("in.mp4", CLIP, id="h264-pyramid"),
    pytest.param("in.mkv", OPEN_GOP, id="h264-open-gop"),
    pytest.param("in.mp4", REFRESH, id="h264-intra-refresh"),
    pytest.param("in.mp4", replace(CLIP, container_options=FRAGMENTS), id="h264-fragments"),
    pytest.param("in.mp4", LATE, id="h264-late-start"),
    pytest.param("in.mp4", HEVC, id="hevc-open-gop"),
    pytest.param("in.webm", VP9, id="vp9"),
    pytest.param("in.mov", MJPEG, id="mjpeg"),
    pytest.param("in.avi", MPEG4, id="mpeg4-avi"),
]


def frames_of(path: Path) -> tuple[Clock, dict[float, Luma]]:
    """Return the clock of a clip, and the luma of every frame by its ms."""
    with open_source(path) as container:
        stream = video_stream(container)
        frames = list(decoded_frames(container, stream, threads=1))
        clock = Clock(presentation_time(frames[0]), time_base(stream))
        width, height = frames[0].width, frames[0].height
        lumas = [np.asarray(frame.to_ndarray()[:height, :width], np.uint8) for frame in frames]
        times = [float(clock.ms(presentation_time(frame))) for frame in frames]
        return clock, dict(zip(times, lumas, strict=True))


def decoded(
    path: Path, clock: Clock, span_ms: tuple[float, float], skips: Callable[[int], Skip]
) -> list[ProxyFrame]:
    """Return the proxy frames of a span; `skips` returns what is skipped after so many of them."""
    found: list[ProxyFrame] = []
    with open_source(path) as container:
        stream = video_stream(container)
        open_decoder(container, stream, 1, Limits())
        stretch = ProxyFrames(container, stream, clock, [500], lambda _done, _all: None)
        stretch.skip = skips(0)
        for proxy in stretch.between(*span_ms):
            found.append(proxy)
            stretch.skip = skips(len(found))
    return found


def worst(frames: dict[float, Luma], found: list[ProxyFrame]) -> float:
    """Return how far a block of 10 x 10 pixels is off at most, in steps of luma."""
    blocks = [
        np.abs(frames[proxy.time_ms].astype(int) - proxy.picture).reshape(18, 10, 32, 10).mean(axis=(1, 3))
        for proxy in found
    ]
    return float(np.max(blocks))


@pytest.mark.parametrize(("name", "clip"), KINDS)
def test_leaving_frames_out_damages_no_other(tmp_path: Path, name: str, clip: Clip) -> None:
    """Later frames refer to decoded frames only, whenever skipping begins and ends."""
    source = make_clip(tmp_path / name, clip)
    clock, frames = frames_of(source)
    strongest, pattern = list(Skip)[-1], [*Skip, *reversed(Skip)]

    found = decoded(source, clock, (0, 5000), lambda _: strongest)
    mixed = decoded(source, clock, (0, 5000), lambda count: pattern[count // 4 % len(pattern)])

    assert worst(frames, found) < LOOP_FILTER_STEPS
    assert worst(frames, mixed) < LOOP_FILTER_STEPS


@pytest.mark.parametrize(("name", "clip"), KINDS)
@pytest.mark.parametrize("begin_ms", [300, 700, 1340])
def test_no_frame_is_missing_after_a_jump(tmp_path: Path, name: str, clip: Clip, begin_ms: int) -> None:
    """The keyframe before is found, also if the frames around it need earlier ones."""
    source = make_clip(tmp_path / name, clip)
    clock, frames = frames_of(source)

    found = decoded(source, clock, (begin_ms, begin_ms + 400), lambda _: Skip.NOTHING)

    expected = [time_ms for time_ms in frames if begin_ms <= time_ms <= begin_ms + 400]
    assert [proxy.time_ms for proxy in found] == expected
    assert worst(frames, found) < LOOP_FILTER_STEPS


def test_frame_of_a_sample_is_never_left_out(tmp_path: Path) -> None:
    """A detection belongs to its own frame."""
    source = make_clip(tmp_path / "in.mp4", CLIP)
    clock, frames = frames_of(source)

    found = decoded(source, clock, (0, 5000), lambda _: list(Skip)[-1])

    assert len(found) < len(frames)
    assert 500 in [proxy.time_ms for proxy in found]


def test_slow_video_is_looked_at_in_full(tmp_path: Path) -> None:
    """At ten frames per second none is skipped."""
    slow = replace(CLIP, frame_rate=Fraction(10))
    source = make_clip(tmp_path / "in.mp4", slow)
    clock, frames = frames_of(source)

    found = decoded(source, clock, (0, 5000), lambda _: list(Skip)[-1])

    assert len(found) == len(frames)


def test_large_frames_are_reduced(tmp_path: Path) -> None:
    """A long side of about 640 pixels is enough to follow faces."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, size=(1280, 722), seconds=0.1))
    clock, _ = frames_of(source)

    (first, *_) = decoded(source, clock, (0, 1000), lambda _: Skip.NOTHING)

    assert first.picture.shape == (361, 640)


def test_pictures_keep_their_shape_where_the_size_changes(tmp_path: Path) -> None:
    """Boxes are fractions of their own frame: all frames are stretched to the first one's shape."""
    one = make_clip(tmp_path / "one.mkv", replace(CLIP, seconds=0.5))
    other = make_clip(tmp_path / "other.mkv", replace(CLIP, seconds=0.5, size=(640, 360)))
    source = joined(tmp_path / "in.mkv", one, other)
    clock = Clock(0, Fraction(1, 1000))

    proxies = decoded(source, clock, (0, 5000), lambda _: Skip.NOTHING)

    assert len(proxies) == 30
    assert {proxy.picture.shape for proxy in proxies} == {(180, 320)}


def joined(path: Path, one: Path, other: Path) -> Path:
    """Write the packets of two Matroska files one after the other, each with its own parameter sets."""
    with av.open(str(path), "w", options={"allow_raw_vfw": "1"}) as target:
        stream = None
        for index, part in enumerate((one, other)):
            with av.open(str(part)) as source:
                begins = source.streams.video[0]
                stream = stream or target.add_stream_from_template(begins)
                in_band = av.BitStreamFilterContext("h264_mp4toannexb", begins)
                for packet in source.demux(begins):
                    for filtered in in_band.filter(packet if packet.size else None):
                        filtered.pts = (filtered.pts or 0) + 500 * index
                        filtered.dts = (filtered.dts or 0) + 500 * index
                        filtered.stream = stream
                        target.mux(filtered)
    return path
