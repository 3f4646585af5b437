"""What stands beside the video: sound, subtitles and chapters come out with their times and languages."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from tests.checks.readback import audio_packets, audio_starts
from tests.checks.segmented import render
from tests.clips import Clip, make_clip
from tests.clips.extra_streams import Extras, subtitle_lines, with_extras


def sound_of(path: Path) -> list[tuple[str, int, int]]:
    """Return codec, rate and channels of each audio stream."""
    with av.open(str(path)) as container:
        contexts = [stream.codec_context for stream in container.streams.audio]
        return [(context.name, context.sample_rate, context.layout.nb_channels) for context in contexts]


def seconds_of_sound(path: Path) -> list[float]:
    """Return how much sound can be decoded from each audio stream."""
    return [decoded_seconds(path, index) for index in range(len(sound_of(path)))]


def decoded_seconds(path: Path, index: int) -> float:
    """Return how many seconds of sound one audio stream decodes to."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[index]
        return float(sum(Fraction(frame.samples, frame.sample_rate) for frame in container.decode(stream)))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("in.mp4", "aac"),
        ("in.mp4", "ac3"),
        ("in.mp4", "eac3"),
        ("in.mp4", "alac"),
        ("in.mkv", "flac"),
        ("in.mp4", "libmp3lame"),
        ("in.mkv", "libmp3lame"),
    ],
)
def test_sound_that_mp4_holds_is_copied(tmp_path: Path, name: str, codec: str) -> None:
    """Bit for bit, from its first moment on."""
    source = make_clip(tmp_path / name, Clip(audio=[codec], seconds=0.5, size=(64, 48)))

    report = render(source)

    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)
    assert report.beside.changes == ()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("in.mov", "pcm_s16le"),
        ("in.mov", "pcm_mulaw"),
        ("in.mov", "pcm_s24le"),
        ("in.mkv", "pcm_f32le"),
        ("in.mkv", "wavpack"),
    ],
)
def test_sound_that_mp4_cannot_hold_becomes_aac(tmp_path: Path, name: str, codec: str) -> None:
    """Audio that MP4 does not support becomes AAC with the same timing, and the manifest says so."""
    source = make_clip(tmp_path / name, Clip(audio=[codec], seconds=1.0, size=(64, 48)))

    report = render(source)

    assert sound_of(tmp_path / "out.mp4") == [("aac", 44_100, 1)]
    assert audio_starts(tmp_path / "out.mp4") == audio_starts(source)
    assert abs(seconds_of_sound(tmp_path / "out.mp4")[0] - seconds_of_sound(source)[0]) < 0.05
    assert report.beside.changes == (f"audio stream 1: {codec} became aac",)


def test_only_the_stream_that_needs_it_is_encoded_again(tmp_path: Path) -> None:
    """One stream copied, the next encoded: their order stays."""
    source = make_clip(tmp_path / "in.mkv", Clip(audio=["ac3", "pcm_s16le"], seconds=0.5, size=(64, 48)))

    render(source)

    assert [codec for codec, _, _ in sound_of(tmp_path / "out.mp4")] == ["ac3", "aac"]
    assert audio_packets(tmp_path / "out.mp4")[0] == audio_packets(source)[0]


def test_language_and_disposition_of_sound_stay(tmp_path: Path) -> None:
    """A second track for the visually impaired is still one."""
    plain = make_clip(tmp_path / "plain.mp4", Clip(audio=["aac", "aac"], seconds=0.5, size=(64, 48)))
    source = tmp_path / "in.mkv"
    with av.open(str(plain)) as whole, av.open(str(source), "w") as target:
        twins = [target.add_stream_from_template(stream) for stream in whole.streams]
        twins[2].metadata["language"] = "deu"
        twins[2].disposition = av.stream.Disposition.visual_impaired
        for packet in whole.demux():
            packet.stream = twins[packet.stream.index]
            target.mux([packet] if packet.size else [])

    render(source)

    with av.open(str(tmp_path / "out.mp4")) as container:
        second = container.streams.audio[1]
        assert second.language == "deu"
        assert second.disposition & av.stream.Disposition.visual_impaired


@pytest.mark.parametrize(
    ("name", "codec", "changes"),
    [
        ("in.mp4", "mov_text", ()),
        ("in.mkv", "subrip", ("subtitle stream 1: srt became mov_text",)),
        ("in.mkv", "ass", ("subtitle stream 1: ssa became mov_text",)),
        ("in.mkv", "webvtt", ("subtitle stream 1: webvtt became mov_text",)),
    ],
)
def test_subtitles_keep_their_words_and_times(
    tmp_path: Path, name: str, codec: str, changes: tuple[str, ...]
) -> None:
    """Text is copied, or converted to the form that MP4 has."""
    plain = make_clip(tmp_path / "plain.mp4", Clip(seconds=1.0, size=(64, 48)))
    source = with_extras(plain, tmp_path / name, Extras(codec, ["Guten Tag", "Bis dann"]))

    report = render(source)

    assert subtitle_lines(tmp_path / "out.mp4") == [(Fraction(0), "Guten Tag"), (Fraction(1, 2), "Bis dann")]
    assert report.beside.changes == changes
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.subtitles[0].language == "deu"


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.mov"])
def test_chapters_keep_their_titles_and_times(tmp_path: Path, name: str) -> None:
    """Two chapters of half a second each."""
    plain = make_clip(tmp_path / "plain.mp4", Clip(seconds=1.0, size=(64, 48)))
    source = with_extras(plain, tmp_path / name, Extras(chapters=["Harbour", "Lighthouse"]))

    render(source)

    with av.open(str(tmp_path / "out.mp4")) as container:
        chapters = container.chapters()
        found = [(chapter["start"] * chapter["time_base"], chapter["metadata"]) for chapter in chapters]
    assert found == [(0, {"title": "Harbour"}), (Fraction(1, 2), {"title": "Lighthouse"})]


def test_sound_that_begins_before_the_video_stays_in_step(tmp_path: Path) -> None:
    """Video from 2 s on, sound from 0 s on: both come out so."""
    clip = Clip(audio=["aac"], seconds=3.0, size=(64, 48), pts=range(60, 90))
    source = make_clip(tmp_path / "in.mp4", clip)

    render(source)

    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert (video.start_time or 0) * (video.time_base or 0) == 2
    assert audio_starts(tmp_path / "out.mp4") == audio_starts(source)


def with_avi_sound(path: Path, codec: str, frame: AudioFrame, bit_rate: int) -> Path:
    """Write a clip to `path`, an AVI, with the samples of `frame` in `codec`."""
    seconds = frame.samples / frame.sample_rate
    picture = Clip(size=(64, 48), seconds=seconds, codec="mpeg4", options={})
    clip = make_clip(path.with_name("plain.mp4"), picture)
    with av.open(str(clip)) as plain, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(plain.streams.video[0])
        sound = container.add_stream(codec, rate=frame.sample_rate, layout=frame.layout.name)
        sound.bit_rate = bit_rate
        frame.pts, frame.time_base = 0, Fraction(1, frame.sample_rate)
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            container.mux_one(packet)
        for packet in [packet for packet in plain.demux(video=0) if packet.size]:
            packet.stream = video
            container.mux_one(packet)
    return path


def test_sound_in_avi_has_no_gaps(tmp_path: Path) -> None:
    """FFmpeg tells 262 s for a packet of G.726 that lasts 256 ms; players hear one second."""
    wave = (8_000 * np.sin(np.arange(8_000) / 5)).astype(np.int16)
    frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
    frame.rate = 8_000
    source = with_avi_sound(tmp_path / "in.avi", "g726", frame, bit_rate=32_000)

    render(source)

    with av.open(str(tmp_path / "out.mp4")) as container:
        last = [packet for packet in container.demux(audio=0) if packet.size][-1]
        assert float((last.pts + last.duration) * last.time_base) == pytest.approx(1.0, abs=0.2)
    assert seconds_of_sound(tmp_path / "out.mp4") == pytest.approx([1.0], abs=0.2)


@pytest.mark.parametrize(("codec", "layout"), [("wmav2", "mono"), ("wmav1", "mono"), ("wmav2", "stereo")])
def test_sound_whose_last_frame_has_no_time_goes_on_to_its_end(
    tmp_path: Path, codec: str, layout: str
) -> None:
    """Decoders that hold a frame back give it out at the end, without a time: it follows the one before."""
    wave = np.sin(np.arange(2 * 44_100) / 20, dtype=np.float32)
    channels = {"mono": 1, "stereo": 2}[layout]
    frame = AudioFrame.from_ndarray(np.tile(wave, (channels, 1)), format="fltp", layout=layout)
    frame.rate = 44_100
    source = with_avi_sound(tmp_path / "in.avi", codec, frame, bit_rate=128_000)

    report = render(source)

    assert [name for name, _, _ in sound_of(tmp_path / "out.mp4")] == ["aac"]
    assert seconds_of_sound(tmp_path / "out.mp4") == pytest.approx(seconds_of_sound(source), abs=0.05)
    assert f"{codec} became aac" in report.beside.changes[0]


def test_lines_without_text_are_no_missing_packets(tmp_path: Path) -> None:
    """Matroska's index names them; MP4 says the same by showing nothing."""
    plain = make_clip(tmp_path / "plain.mp4", Clip(size=(64, 48)))
    lines = Extras(subtitle_codec="subrip", lines=["first", "", "third", ""])
    source = with_extras(plain, tmp_path / "in.mkv", lines)

    render(source)

    assert [said for _, said in subtitle_lines(tmp_path / "out.mp4")] == ["first", "third"]
