"""MPEG transport and program streams: broadcasts, AVCHD camcorders, old recorders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from blur_container.reading.frame_mapping import without_detections
from chalicelib.contract.errors import DamagedVideo
from chalicelib.contract.job import DetectionMode
from tests.checks.readback import shown_frames, worst_detail
from tests.checks.segmented import SETTINGS, render
from tests.clips import Clip, Face, faces_document, make_clip
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.clips.remuxed import remuxed

GONE = 14.0  # Faces of the clips show 60 and more.
CLIP = Clip(
    faces=[Face(speed_x=0.3)], frame_rate=Fraction(25), options={"crf": "12", "x264-params": "bframes=2"}
)
# With B-frames the first packet has an earlier dts than the first frame is shown.
CLIP_OF_A_PERSON = PortraitClip(
    [(200 + 3 * step, 135) for step in range(30)],
    options=(("preset", "veryfast"), ("x264-params", "bframes=2:keyint=250")),
)
MPEG2 = {"qscale": "2", "bf": "2"}
FILES = {
    "H.264 and AAC in MPEG-TS": ("in.ts", replace(CLIP, audio=["aac"])),
    "H.264 and AC-3 in M2TS": ("in.m2ts", replace(CLIP, audio=["ac3"])),
    "HEVC in MPEG-TS": ("in.mts", replace(CLIP, codec="libx265", options={"x265-params": "log-level=error"})),
    "MPEG-2 and MP2 in MPEG-PS": ("in.mpg", replace(CLIP, codec="mpeg2video", options=MPEG2, audio=["mp2"])),
}


def made(folder: Path, kind: str) -> Path:
    """Return a file of this kind in `folder`."""
    name, clip = FILES[kind]
    return make_clip(folder / name, clip)


def times(path: Path) -> list[Fraction]:
    """Return when the frames are shown, in seconds from the first."""
    frames = [frame.time for frame in shown_frames(path)]
    return [time - frames[0] for time in frames]


def sound(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the decoded samples of the sound of `path`."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1).astype(np.float32)


@pytest.mark.parametrize("kind", FILES)
def test_every_frame_is_kept_and_covered(tmp_path: Path, kind: str) -> None:
    """They have no index: what is decoded is what there is."""
    source = made(tmp_path, kind)

    render(source, faces_document(CLIP))

    assert len(shown_frames(tmp_path / "out.mp4")) == len(CLIP.times)
    assert times(tmp_path / "out.mp4") == times(source)
    assert worst_detail(tmp_path / "out.mp4", CLIP) < GONE


@pytest.mark.parametrize("kind", ["H.264 and AAC in MPEG-TS", "H.264 and AC-3 in M2TS"])
def test_sound_is_the_same_without_its_headers(tmp_path: Path, kind: str) -> None:
    """AAC has a header in each packet there, and none in MP4; nothing is encoded again."""
    source = made(tmp_path, kind)

    render(source, faces_document(CLIP))

    assert np.array_equal(sound(tmp_path / "out.mp4"), sound(source))


def test_a_broken_transport_stream_is_damaged(tmp_path: Path) -> None:
    """Frames whose packets were lost on air are not shown as if they were whole."""
    source = made(tmp_path, "H.264 and AAC in MPEG-TS")
    content = bytearray(source.read_bytes())
    middle = len(content) // 2 // 188 * 188
    del content[middle : middle + 40 * 188]
    source.write_bytes(content)

    with pytest.raises(DamagedVideo):
        render(source, faces_document(CLIP))


def test_faces_are_searched_where_no_index_leads_to_a_keyframe(tmp_path: Path) -> None:
    """A seek to the first frame ends behind the only keyframe: nothing was searched, and nothing covered."""
    plain = make_portrait_clip(tmp_path / "clip.mp4", CLIP_OF_A_PERSON)
    target = remuxed(plain, tmp_path / "in.ts", "mpegts")
    faces = without_detections(target, "0" * 64, SETTINGS.limits)

    report = render(target, faces, replace(SETTINGS, detection_mode=DetectionMode.CONTAINER))

    assert report.file.frames_with_faces == len(CLIP_OF_A_PERSON.places)
