"""Sound whose channels lie in an order of its own: what is heard stays, and no upload harms the next."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import OutputMismatch
from tests.checks.segmented import render
from tests.clips import Clip, make_clip
from tests.clips.mp4_edits import with_channels

RATE = 48_000
# Low enough for the LFE of AAC too, which holds nothing above 120 Hz.
PITCH_HZ = 12
# Labels of Core Audio: 1 left, 2 right, 3 centre, 4 LFE, 5 and 6 surround, 9 centre surround, 10 and 11
# surround beside the listener; 0 unused, 65536 and more a channel of its own.
SWAPPED = (2, 1)
UNUSED = (0, 0)
CENTRE_FIRST = (3, 1, 2, 5, 6, 4)
SIX_ONE = (1, 2, 5, 6, 3, 4, 9)
SEVEN_ONE = (4, 3, 1, 2, 5, 6, 10, 11)
DISCRETE = tuple((1 << 16) + number for number in range(12))


def sounding(path: Path, labels: tuple[int, ...], codec: str = "pcm_s16be") -> Path:
    """Write half a second of video and sound to `path`; channel n is a tone of `PITCH_HZ` times n + 1."""
    silent = make_clip(path.with_name("silent.mp4"), Clip(seconds=0.5, size=(64, 64)))
    layout = {2: "stereo", 6: "5.1", 7: "6.1", 8: "7.1", 12: "7.1.4"}.get(
        len(labels), f"{len(labels)} channels"
    )
    with av.open(str(silent)) as pictures, av.open(str(path), "w", format="mov") as container:
        video = container.add_stream_from_template(pictures.streams.video[0], opaque=True)
        sound = container.add_stream(codec, rate=RATE, layout=layout)
        moments = np.arange(RATE // 2) / RATE
        tones = [np.sin(2 * np.pi * PITCH_HZ * (number + 1) * moments) for number in range(len(labels))]
        packed = (np.stack(tones, axis=1) * 8000).astype(np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for packet in pictures.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        container.mux([*sound.encode(frame), *sound.encode(None)])
    path.write_bytes(with_channels(path.read_bytes(), labels))
    return path


def tones_of(path: Path) -> list[int]:
    """Return the loudest pitch of each channel, in steps of `PITCH_HZ`."""
    with av.open(str(path)) as container:
        # Of 8 planes PyAV reads a ninth.
        packed = AudioResampler(format="flt")
        frames = [one for frame in container.decode(audio=0) for one in packed.resample(frame)]
        channels = frames[0].layout.nb_channels
        decoded = [frame.to_ndarray().reshape(-1, channels).T for frame in frames]
    samples: NDArray[np.float32] = np.concatenate(decoded, axis=1)[:, 4000:20_000]
    spectrum = np.abs(np.fft.rfft(samples, axis=1))
    return [round(float(peak) * RATE / 16_000 / PITCH_HZ) for peak in spectrum.argmax(axis=1)]


@pytest.mark.parametrize(
    ("name", "labels", "codec", "heard"),
    [
        pytest.param("in.mp4", SWAPPED, "pcm_s16be", [2, 1], id="right before left"),
        pytest.param("in.mov", SWAPPED, "pcm_s24le", [2, 1], id="right before left, 24 bits"),
        pytest.param("in.mp4", UNUSED, "pcm_s16be", [1, 2], id="no labels"),
        pytest.param("in.mov", CENTRE_FIRST, "pcm_f32le", [2, 3, 1, 6, 4, 5], id="5.1, centre first"),
        pytest.param("in.mp4", SEVEN_ONE, "pcm_s16le", [3, 4, 2, 1, 5, 6, 7, 8], id="7.1, LFE first"),
        pytest.param("in.mov", UNUSED * 3, "pcm_s16be", [1, 2, 3, 4, 5, 6], id="six without labels"),
    ],
)
def test_every_channel_is_heard_where_it_belongs(
    tmp_path: Path, name: str, labels: tuple[int, ...], codec: str, heard: list[int]
) -> None:
    """The output has FFmpeg's order: left, right, centre, LFE, back or side, side."""
    source = sounding(tmp_path / name, labels, codec)

    render(source)

    assert tones_of(tmp_path / "out.mp4") == heard


def test_as_many_channels_come_out_as_went_in(tmp_path: Path) -> None:
    """6.1 is no layout of old AAC, but one it can describe."""
    source = sounding(tmp_path / "in.mov", SIX_ONE)

    report = render(source)

    assert report.beside.channels == (7,)


def test_an_output_with_fewer_channels_is_found(tmp_path: Path) -> None:
    """Verification counts the channels of sound that was encoded again."""
    report = render(sounding(tmp_path / "in.mov", CENTRE_FIRST))
    promised = replace(report.file, beside=replace(report.beside, channels=(8,)))

    with pytest.raises(OutputMismatch, match="audio channels"):
        verify_output(tmp_path / "out.mp4", promised)


def test_more_channels_than_aac_has_are_mixed_down_and_the_manifest_says_so(tmp_path: Path) -> None:
    """Twelve microphones without a place: every other one on the left."""
    source = sounding(tmp_path / "in.mov", DISCRETE)

    report = render(source)

    assert report.beside.channels == (2,)
    assert report.beside.changes == (
        "audio stream 1: pcm_s16be became aac, 12 channels mixed down to stereo",
    )


FIFTY_MORE = """
import sys
from pathlib import Path
from tests.media.writing.test_audio_channels import render
for name in sys.argv[1:]:
    render(Path(name))
for _ in range(50):
    render(Path(sys.argv[-1]))
print("whole")
"""


def test_fifty_uploads_after_a_custom_order_are_unharmed(tmp_path: Path) -> None:
    """In one process, as in a warm Lambda, with freed memory overwritten so that its use shows."""
    sources = [tmp_path / "swapped" / "in.mp4", tmp_path / "unused" / "in.mp4", tmp_path / "plain" / "in.mov"]
    for source, labels in zip(sources, (SWAPPED, UNUSED, (1, 2)), strict=True):
        source.parent.mkdir()
        sounding(source, labels)
    strict = {**os.environ, "MALLOC_PERTURB_": "77", "MALLOC_CHECK_": "3"}

    done = subprocess.run(
        [sys.executable, "-c", FIFTY_MORE, *map(str, sources)],
        env=strict,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
