"""Times that a container does not tell, or from another zero: AVI, fragments of a channel, cut openings."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from blur_container.limits import Limits
from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.rendering.whole_video import redact_video
from blur_container.segments.planner import Planner
from blur_container.settings import RenderSettings, Settings
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import DamagedVideo, VideoTooLarge
from tests.checks import segmented
from tests.checks.readback import audio_packets, luma_psnr, shown_frames, video_times
from tests.checks.segmented import EAGER, ignore
from tests.clips import Clip, Face, document_of, faces_document, make_clip, seen_until
from tests.clips.extra_streams import without_keyframe

CLIP = Clip(faces=[Face(speed_x=0.3)], frame_rate=Fraction(20))
MPEG4 = {"bf": "2", "g": "12", "q": "2"}
IN_ORDER = {"g": "12", "q": "2"}
SETTINGS = Settings("work", "output", "1", RenderSettings())
LIKE_DB = 33.0
DAY_S = 86_400
VOP = b"\0\0\1\xb6"
# A P-frame that is not coded.
REPEAT = VOP + b"\x50\x10\x7f"


def render(
    source: Path, clip: Clip, settings: RenderSettings | None = None, end_ms: int = 60_000
) -> RenderReport:
    """Render `source`, which ends at `end_ms` or before, to `out.mp4` beside it, and verify that."""
    faces = seen_until(end_ms, faces_document(clip))
    return segmented.render(source, faces, settings or RenderSettings())


def packet_times(path: Path) -> list[Fraction]:
    """Return the times of the video's packets, in seconds; an empty one, which repeats a frame, is none."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(packet.dts or 0) * packet.time_base for packet in packets]


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param(replace(CLIP, options={"crf": "12", "x264-params": "bframes=2"}), id="H.264"),
        pytest.param(
            replace(CLIP, options={"crf": "12", "x264-params": "bframes=5:b-adapt=0:b-pyramid=normal"}),
            id="pyramid",
        ),
        pytest.param(replace(CLIP, codec="mpeg4", options=MPEG4), id="MPEG-4"),
        pytest.param(replace(CLIP, options={"crf": "12", "bf": "0"}), id="no B-frames"),
        pytest.param(replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={}), id="MJPEG"),
        *(
            pytest.param(replace(CLIP, codec=codec, options=options), id=f"{codec}, not in MOV")
            for codec, options in (
                ("wmv2", IN_ORDER),
                ("msmpeg4v2", IN_ORDER),
                ("flv", IN_ORDER),
                ("ffv1", {}),
            )
        ),
    ],
)
def test_frames_of_an_avi_come_in_the_order_they_are_shown(tmp_path: Path, clip: Clip) -> None:
    """AVI says when a frame is decoded only; the pictures are those of the clip, one after the other."""
    source = make_clip(tmp_path / "in.avi", replace(clip, audio=["libmp3lame"]))
    plain = make_clip(tmp_path / "plain.mkv", replace(clip, codec="rawvideo", options={}))
    target = tmp_path / "out.mp4"

    report = redact_video(source, target, document_of([]), RenderSettings(), ignore)
    verify_output(target, report)

    assert (len(report.pts), video_times(target)) == (20, packet_times(source))
    assert luma_psnr(target, plain) > LIKE_DB
    assert audio_packets(target) == audio_packets(source)


@pytest.mark.parametrize(
    "settings", [RenderSettings(), RenderSettings(smart_render=True)], ids=["full", "smart"]
)
def test_faces_of_an_avi_are_covered(tmp_path: Path, settings: RenderSettings) -> None:
    """The boxes meet the frames they belong to."""
    clip = replace(CLIP, options={"crf": "12", "x264-params": "bframes=3:keyint=10"})
    source = make_clip(tmp_path / "in.avi", clip)

    report = render(source, clip, settings)

    assert report.file.frames_with_faces == 20
    assert {path.name for path in tmp_path.iterdir()} == {"in.avi", "out.mp4"}


def test_an_avi_stays_in_one_piece(tmp_path: Path) -> None:
    """An AVI file is not split, because its keyframe times are unknown before decoding."""
    source = make_clip(tmp_path / "in.avi", replace(CLIP, options={"crf": "12", "g": "5", "bf": "0"}))

    planner = Planner(source, 1, lambda: 1, faces_document(CLIP), 500, RenderSettings(), EAGER, "test")

    assert planner.plan() is None


def packed(source: Path, target: Path) -> Path:
    """Copy an MPEG-4 AVI; each B-frame goes into the packet before it, a repeat takes its place."""
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        twin = copy.add_stream_from_template(container.streams.video[0], opaque=True)
        contents = [
            REPEAT if _is_b_frame(own) else own + (after if _is_b_frame(after) else b"")
            for own, after in zip(packets, [*packets[1:], b""], strict=True)
        ]
        for number, content in enumerate(contents):
            packet: Packet[Any] = Packet(content)
            packet.stream, packet.time_base = twin, Fraction(1, 20)
            packet.pts = packet.dts = number
            copy.mux_one(packet)
    return target


def _is_b_frame(content: bytes) -> bool:
    """Return whether an MPEG-4 packet begins with a B-frame (ISO/IEC 14496-2, 6.2.5)."""
    return content[:4] == VOP and content[4] >> 6 == 2


def test_b_frames_that_are_packed_with_others_are_shown_in_their_turn(tmp_path: Path) -> None:
    """DivX and Xvid wrote AVIs so for players that could not wait for a frame."""
    clip = replace(CLIP, codec="mpeg4", options={"bf": "1", "b_strategy": "0", "g": "12", "q": "2"})
    source = packed(make_clip(tmp_path / "plain.avi", clip), tmp_path / "in.avi")
    target = tmp_path / "out.mp4"

    report = redact_video(source, target, document_of([]), RenderSettings(), ignore)
    verify_output(target, report)

    assert len(report.pts) == 20
    assert luma_psnr(target, make_clip(tmp_path / "plain.mkv", clip)) > LIKE_DB


def test_an_avi_with_a_broken_frame_is_damaged(tmp_path: Path) -> None:
    """One frame less than the packets promise is no frame that was never there."""
    source = make_clip(tmp_path / "in.avi", replace(CLIP, options={"crf": "12", "x264-params": "bframes=2"}))
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        at, size = packets[8].pos, packets[8].size
    content = bytearray(source.read_bytes())
    assert at is not None
    content[at + 8 : at + 8 + size] = bytes(size)
    source.write_bytes(content)

    with pytest.raises(DamagedVideo):
        render(source, CLIP)


def begun_later(path: Path, clip: Clip, seconds: int) -> Path:
    """Write `clip` to `path` in fragments whose times count from so much earlier."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    content = bytearray(make_clip(path, replace(clip, container_options=options)).read_bytes())
    with av.open(str(path)) as container:
        units = [stream.time_base.denominator for stream in container.streams if stream.time_base]
    at = content.find(b"moof")
    while (at := content.find(b"tfhd", at + 4)) >= 0:
        (track,) = struct.unpack_from(">I", content, at + 8)
        place = content.index(b"tfdt", at)
        assert content[place + 4] == 1
        (begin,) = struct.unpack_from(">Q", content, place + 8)
        struct.pack_into(">Q", content, place + 8, begin + seconds * units[track - 1])
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        pytest.param("in.mp4", replace(CLIP, audio=["aac"]), id="H.264 and AAC"),
        pytest.param("in.mov", replace(CLIP, options={"bf": "0"}), id="picture alone"),
        pytest.param(
            "in.mp4", replace(CLIP, codec="libx265", options={}, audio=["libmp3lame"]), id="HEVC and MP3"
        ),
    ],
)
def test_fragments_of_a_channel_last_from_their_start_to_their_end(
    tmp_path: Path, name: str, clip: Clip
) -> None:
    """Fragments from the middle of a channel keep their times; the duration counts from the first."""
    source = begun_later(tmp_path / name, clip, DAY_S)

    report = render(source, clip)

    assert video_times(tmp_path / "out.mp4") == [frame.time for frame in shown_frames(source)]
    assert video_times(tmp_path / "out.mp4")[0] >= DAY_S
    assert report_to_json(report, Steps(), SETTINGS)["video"]["duration_ms"] == 1000


def test_fragments_since_1970_are_refused_by_their_start(tmp_path: Path) -> None:
    """A recording that starts at the Unix epoch is refused, and the error names its start time."""
    source = begun_later(tmp_path / "in.mp4", CLIP, 1_700_000_000)

    with pytest.raises(VideoTooLarge, match="times of the video begin at"):
        render(source, CLIP)


def test_fragments_that_last_too_long_are_refused(tmp_path: Path) -> None:
    """The length is from the first frame to the end of the last."""
    source = begun_later(tmp_path / "in.mp4", CLIP, DAY_S)
    settings = RenderSettings(limits=Limits(duration_s=0))

    with pytest.raises(VideoTooLarge, match="the limit is 0 s"):
        render(source, CLIP, settings)


@pytest.mark.parametrize("name", ["in.mp4", "in.mov", "in.mkv"])
def test_the_manifest_counts_frames_that_no_player_can_show(tmp_path: Path, name: str) -> None:
    """Cut without a look at keyframes: what comes before the first one cannot be decoded."""
    clip = replace(CLIP, options={"bf": "0", "g": "10", "crf": "12"})
    source = without_keyframe(make_clip(tmp_path / "whole.mp4", clip), tmp_path / name, 4)

    report = render(source, clip)

    assert report_to_json(report, Steps(), SETTINGS)["frames_lost"] == 6
    assert len(report.pts) == 10
