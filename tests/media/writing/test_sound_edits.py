"""Edits in a sound track, and sound that nobody can decode: what a player hears is kept, and no more."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.settings import RenderSettings, Settings
from tests.checks import segmented
from tests.checks.readback import audio_packets, video_times
from tests.clips import Clip, Face, faces_document, make_clip, seen_until
from tests.clips.mp4_edits import payload_of, with_edits

CLIP = Clip(faces=[Face()], size=(96, 96), seconds=3.0, frame_rate=Fraction(10))
SETTINGS = Settings("work", "output", "1", RenderSettings())
# With the middle left out the picture lasts two seconds.
SEEN = seen_until(2000, faces_document(CLIP))


def render(source: Path) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    return segmented.render(source, SEEN)


def without_the_middle(path: Path, codec: str, tracks: tuple[int, ...] = (0, 1)) -> Path:
    """Write three seconds to `path`; in `tracks` two edits leave out the second one."""
    content = make_clip(path, replace(CLIP, audio=[codec])).read_bytes()
    for track in tracks:
        (begin,) = struct.unpack_from(">i", payload_of(content, b"elst", track), 12)
        (unit,) = struct.unpack_from(">I", payload_of(content, b"mdhd", track), 12)
        content = with_edits(content, [(1000, begin), (1000, begin + 2 * unit)], track)
    path.write_bytes(content)
    return path


def packets_heard(path: Path) -> list[bytes]:
    """Return the packets of the sound that no edit hides."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return [bytes(packet) for packet in packets if packet.size and not packet.is_discard]


def seconds_of_sound(path: Path) -> Fraction:
    """Return how long the sound of `path` lasts, by its index."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return (stream.duration or 0) * (stream.time_base or Fraction(0))


@pytest.mark.parametrize("tracks", [(0, 1), (1,)], ids=["picture and sound", "sound alone"])
@pytest.mark.parametrize("codec", ["aac", "ac3", "libmp3lame", "alac"])
def test_packets_that_an_edit_hides_are_left_out(tmp_path: Path, codec: str, tracks: tuple[int, ...]) -> None:
    """Audible packets are copied bit for bit; packets hidden by the edit list are left out."""
    source = without_the_middle(tmp_path / "in.mp4", codec, tracks)

    report = render(source)

    assert packets_heard(tmp_path / "out.mp4") == packets_heard(source)
    assert len(report.pts) == (20 if 0 in tracks else 30)
    assert "packets hidden by its edit list are left out" in report.beside.changes[0]


def test_sound_before_the_first_edit_does_not_come_back(tmp_path: Path) -> None:
    """Audio before the first edit is left out, except for the decoder's pre-roll."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, audio=["aac"]))
    source.write_bytes(with_edits(source.read_bytes(), [(2000, 1024 + 44_100)], 1))

    render(source)

    heard, (written,) = packets_heard(source), audio_packets(tmp_path / "out.mp4")
    assert written[-len(heard) :] == heard
    assert len(written) - len(heard) <= 4
    assert packets_heard(tmp_path / "out.mp4") == heard


def test_the_second_piece_stays_in_step(tmp_path: Path) -> None:
    """The second edit's first packet is written at the time that the edit list gives it."""
    source = without_the_middle(tmp_path / "in.mp4", "aac")

    render(source)

    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [packet.pts for packet in container.demux(audio=0) if packet.size]
    assert 44_100 in times
    assert seconds_of_sound(tmp_path / "out.mp4") == 2


def test_pieces_of_sound_that_is_encoded_again_meet_without_a_seam(tmp_path: Path) -> None:
    """The last packet of the first piece goes on behind its end; that rest is not heard."""
    source = without_the_middle(tmp_path / "in.mov", "pcm_s16le")

    render(source)

    assert abs(seconds_of_sound(tmp_path / "out.mp4") - 2) < Fraction(1, 500)


def with_unknown_sound(path: Path, name: bytes, codec: str = "aac") -> Path:
    """Write a clip to `path` whose sound has a codec of this name."""
    content = make_clip(path, replace(CLIP, audio=[codec])).read_bytes()
    at = content.rindex(b"stsd") + 16
    path.write_bytes(content[:at] + name + content[at + 4 :])
    return path


@pytest.mark.parametrize(
    ("file", "name", "codec"),
    [
        ("in.mp4", b"ac-4", "eac3"),
        ("in.mp4", b"mha1", "ac3"),
        ("in.mov", b"apac", "pcm_s16le"),
    ],
)
def test_sound_of_an_unknown_kind_goes_and_the_manifest_says_so(
    tmp_path: Path, file: str, name: bytes, codec: str
) -> None:
    """An audio stream of unknown codec is dropped, and the manifest lists it."""
    source = with_unknown_sound(tmp_path / file, name, codec)

    report = render(source)

    dropped = report_to_json(report, Steps(), SETTINGS)["dropped_streams"]
    assert [(stream["kind"], stream["reason"]) for stream in dropped] == [("audio", "no decoder")]
    assert len(video_times(tmp_path / "out.mp4")) == 30
    assert audio_packets(tmp_path / "out.mp4") == []
