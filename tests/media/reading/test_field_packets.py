"""Fields that are packets of their own: two packets are one frame, which lasts as long as both."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from blur_container.settings import RenderSettings
from tests.checks.readback import detail, shown_frames
from tests.checks.segmented import SETTINGS, render_as_planned
from tests.clips import Clip, Face, faces_document
from tests.clips.field_pictures import Fields, write_fields

GONE = 14.0  # Faces of the clips show 60 and more.
CLIP = Clip(faces=[Face(speed_x=0.2)], size=(320, 192), seconds=1.0, frame_rate=Fraction(20))
NTSC = replace(CLIP, frame_rate=Fraction(30000, 1001), pts=[1001 * number for number in range(20)])
SMART = RenderSettings(smart_render=True)
KINDS = {
    "MP4": ("in.mp4", CLIP, Fields()),
    "MOV, bottom field first": ("in.mov", CLIP, Fields(bottom_first=True)),
    "Matroska": ("in.mkv", CLIP, Fields()),
    "MP4, NTSC": ("in.mp4", NTSC, Fields()),
    "both in one packet": ("in.mp4", CLIP, Fields(apart=False)),
}


@pytest.mark.parametrize("settings", [SETTINGS, SMART], ids=["full", "smart"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_fields_are_one_frame(tmp_path: Path, kind: str, settings: RenderSettings) -> None:
    """Every frame has the time of its first field, the last lasts until its second ends; no face is seen."""
    name, clip, fields = KINDS[kind]
    source = write_fields(tmp_path / name, clip, fields)

    report = render_as_planned(source, faces_document(clip), settings)

    shown, step = shown_frames(tmp_path / "out.mp4"), 1 / clip.frame_rate
    assert max(abs(frame.time - number * step) for number, frame in enumerate(shown)) < Fraction(1, 1000)
    assert len(shown) == 20
    assert report.file.duration_ms == pytest.approx(float(20 * step * 1000), abs=1)
    pairs = zip(clip.times, shown, strict=True)
    assert max(detail(frame.luma, box) for pts, frame in pairs for box in clip.boxes(pts)) < GONE
