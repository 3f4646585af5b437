"""Bad input: each kind ends in its named error, without an output and without a thread left behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.reading.matroska import is_cut_short
from blur_container.rendering.progress import Progress
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from chalicelib.contract.errors import (
    PERMANENT_ERRORS,
    ConfigurationError,
    DamagedVideo,
    NotAVideo,
    NoVideoStream,
    OutputMismatch,
    UnsupportedVideo,
)
from tests.checks.segmented import ignore
from tests.clips import Clip, Face, document_of, make_clip
from tests.fuzz.byte_flips import OUTPUT

ROOT = Path(__file__).parents[3]
CLIP = Clip(faces=[Face()], audio=["aac"], seconds=1.0)
INDEX_FIRST = {"movflags": "+faststart"}


def refuse(source: Path, error: type[Exception], target: Path | None = None) -> str:
    """Render `source`, expecting `error`; return what it says."""
    output = target or source.with_name("out.mp4")
    with pytest.raises(error) as raised:
        redact_video(source, output, document_of([]), RenderSettings(), ignore)
    assert not output.exists()
    assert [thread.name for thread in threading.enumerate() if thread.name == "reader"] == []
    return str(raised.value)


def written(path: Path, content: bytes) -> Path:
    """Return `path` with `content` in it."""
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"This is no video.\n" * 100, id="text"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", id="playlist"),
        pytest.param(bytes(range(256)) * 64, id="noise"),
    ],
)
def test_what_is_no_video_is_called_so(tmp_path: Path, content: bytes) -> None:
    """A suffix makes no video; a playlist must not make the renderer read other files."""
    refuse(written(tmp_path / "in.mp4", content), NotAVideo)


def test_missing_file_is_no_bad_video(tmp_path: Path) -> None:
    """A wrong path is the caller's error and keeps its own name."""
    refuse(tmp_path / "in.mp4", FileNotFoundError)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    """An audio file has nothing to blur."""
    with wave.open(str(tmp_path / "in.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))

    refuse(tmp_path / "in.wav", NoVideoStream)


def test_mp4_without_video_stream_is_refused(tmp_path: Path) -> None:
    """The container is right, the stream is missing; the error names what is there."""
    path = tmp_path / "in.mp4"
    with av.open(str(make_clip(tmp_path / "whole.mp4", CLIP))) as whole, av.open(str(path), "w") as target:
        audio = whole.streams.audio[0]
        twin = target.add_stream_from_template(audio)
        for packet in whole.demux(audio):
            packet.stream = twin
            target.mux([packet] if packet.size else [])

    assert "audio" in refuse(path, NoVideoStream)


@pytest.mark.parametrize("tenths", range(1, 10))
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("in.mp4", {}),
        ("in.mp4", INDEX_FIRST),
        ("in.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("in.mkv", {}),
    ],
    ids=["index last", "index first", "fragments", "mkv"],
)
def test_truncated_file_is_damaged(tmp_path: Path, name: str, options: dict[str, str], tenths: int) -> None:
    """Wherever a file ends too early, it is not taken for a short one."""
    source = make_clip(tmp_path / name, Clip(faces=[Face()], audio=["aac"], container_options=options))
    whole = source.read_bytes()

    source.write_bytes(whole[: len(whole) * tenths // 10])

    refuse(source, DamagedVideo)


def test_missing_end_of_the_audio_is_damage(tmp_path: Path) -> None:
    """The last bytes of a file with its index in front are sound: they count as well."""
    clip = Clip(audio=["aac"], seconds=2.0, pts=range(10), container_options=INDEX_FIRST)
    source = make_clip(tmp_path / "in.mp4", clip)

    source.write_bytes(source.read_bytes()[:-40])

    assert "audio" in refuse(source, DamagedVideo)


def test_broken_picture_is_damage(tmp_path: Path) -> None:
    """A decoder that hides a broken slice would hide that a face was decoded wrongly."""
    source = make_clip(tmp_path / "in.mp4", Clip(faces=[Face()], seconds=1.0))
    content = bytearray(source.read_bytes())
    middle = content.index(b"mdat") + 2500

    content[middle : middle + 200] = bytes(200)
    source.write_bytes(bytes(content))

    refuse(source, DamagedVideo)


def test_whole_matroska_file_is_not_cut_short(tmp_path: Path) -> None:
    """The length in its head is that of the file."""
    assert not is_cut_short(make_clip(tmp_path / "in.mkv", CLIP))


def test_live_matroska_file_promises_no_length(tmp_path: Path) -> None:
    """A recorder that cannot seek back leaves the length open."""
    source = make_clip(tmp_path / "in.mkv", Clip(container_options={"live": "1"}))

    source.write_bytes(source.read_bytes()[:-100])

    assert not is_cut_short(source)


def test_pixels_that_change_on_the_way_are_refused(tmp_path: Path) -> None:
    """One file, two pixel formats: what only one of them can say would be lost."""
    parts = [
        make_clip(
            tmp_path / f"{pixels}.h264",
            Clip(size=(160, 96), seconds=0.4, options={"bf": "0"}, pixel_format=pixels),
        )
        for pixels in ("yuv420p", "yuv444p")
    ]
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        stream = container.add_mux_stream("h264", rate=30, width=160, height=96)
        packets = [packet for part in parts for packet in packets_of(part)]
        for index, packet in enumerate(packets):
            packet.pts = packet.dts = index
            packet.time_base, packet.stream = Fraction(1, 30), stream
            container.mux_one(packet)

    assert "pixel format changes" in refuse(source, UnsupportedVideo)


def packets_of(path: Path) -> list[Packet[VideoStream]]:
    """Return the video packets of `path`."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(container.streams.video[0]) if packet.size]


def test_target_that_cannot_be_written_is_no_bad_video(tmp_path: Path) -> None:
    """The source is right; the error says that the output is not."""
    source = make_clip(tmp_path / "in.mp4", CLIP)

    refuse(source, OutputMismatch, tmp_path / "missing" / "out.mp4")


def test_source_is_never_its_own_target(tmp_path: Path) -> None:
    """Opening it for writing would empty it."""
    source = make_clip(tmp_path / "in.mp4", CLIP)
    before = source.read_bytes()

    with pytest.raises(ConfigurationError):
        redact_video(source, source, document_of([]), RenderSettings(), ignore)

    assert source.read_bytes() == before


def test_error_while_rendering_ends_the_reader(tmp_path: Path) -> None:
    """Whoever asks for progress may fail: the thread that reads ahead ends, the output goes."""
    source = make_clip(tmp_path / "in.mp4", Clip(seconds=3.0))
    target = tmp_path / "out.mp4"

    with pytest.raises(RuntimeError, match="no more"):
        redact_video(source, target, document_of([]), RenderSettings(), failing_at(5))

    assert not target.exists()
    assert "reader" not in [thread.name for thread in threading.enumerate()]


def failing_at(count: int) -> Callable[[Progress], None]:
    """Return a listener that fails at frame `count`."""

    def listen(progress: Progress) -> None:
        if progress.frames == count:
            raise RuntimeError("no more")

    return listen


def test_flipped_bytes_end_in_an_output_or_a_named_error(tmp_path: Path) -> None:
    """100 seeds over six containers and codecs, in a process of its own: no crash, no hang."""
    command = [sys.executable, "-m", "tests.fuzz.byte_flips", str(tmp_path), "0", "100"]

    ended = subprocess.run(command, cwd=ROOT, timeout=120, check=True, capture_output=True, text=True)

    met = json.loads(ended.stdout.splitlines()[-1])
    assert sum(met.values()) == 100
    assert met.keys() <= {OUTPUT} | {error.__name__ for error in PERMANENT_ERRORS}
    assert met[OUTPUT] < 100


@pytest.mark.parametrize("name", ["in.mkv", "in.txt", "in.jpg", "in"])
def test_wrong_extension_does_not_matter(tmp_path: Path, name: str) -> None:
    """The content of a file decides, not its extension."""
    source = make_clip(tmp_path / "right.mp4", CLIP).rename(tmp_path / name)

    report = redact_video(source, tmp_path / "out.mp4", document_of([]), RenderSettings(), ignore)

    assert len(report.pts) == 30


def test_unknown_codec_is_refused(tmp_path: Path) -> None:
    """A track with a name that nobody knows has no decoder."""
    source = make_clip(tmp_path / "in.mp4", CLIP)

    source.write_bytes(source.read_bytes().replace(b"avc1", b"zzzz"))

    assert "decoder" in refuse(source, UnsupportedVideo)


def test_encrypted_video_is_refused(tmp_path: Path) -> None:
    """Common encryption: the packets are there, their pictures are not."""
    keys = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    source = make_clip(tmp_path / "in.mp4", Clip(faces=[Face()], seconds=0.5, container_options=keys))

    assert "encrypted" in refuse(source, UnsupportedVideo)


@pytest.mark.parametrize(("track", "words"), [(1, "follows"), (2, "times go back")], ids=["video", "sound"])
def test_times_that_go_back_are_damage(tmp_path: Path, track: int, words: str) -> None:
    """A stream whose timestamps go back is refused as damaged."""
    source = make_clip(tmp_path / "in.mkv", replace(CLIP, options={"bf": "0"}))
    content = source.read_bytes()

    source.write_bytes(moved_back(content, track))

    assert words in refuse(source, DamagedVideo)


def moved_back(content: bytes, track: int) -> bytes:
    """Return a Matroska file with one late block of `track` moved to the start of its cluster.

    A simple block: its id, its length in one or two bytes, the track, the time in the cluster, flags.
    """
    block = rb"\xa3(?:[\x40-\x7f].|[\x80-\xfe])" + bytes([0x80 + track]) + rb"..[\x00\x80]"
    places = [match.end() for match in re.finditer(block, content, re.DOTALL)]
    place = places[len(places) // 2] - 3
    return content[:place] + bytes(2) + content[place + 2 :]
