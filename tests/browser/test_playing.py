"""Blurred videos in Chromium: they play to their end, and show the source without the face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from blur_container.rendering.whole_video import redact_video
from blur_container.settings import BlurStyle, RenderSettings
from blur_container.writing.verification import verify_output
from tests.browser.chromium import chromium, play
from tests.checks.readback import detail
from tests.checks.segmented import ignore
from tests.clips import Clip, Face, faces_document, make_clip

BROWSER = chromium()
CLIP = Clip(faces=[Face()], seconds=1.5, audio=["aac"])
LATE = 28  # A frame of the clip, in B-frames and far from a keyframe.

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def rgb(path: Path, number: int) -> NDArray[np.uint8]:
    """Return the frame with `number`, as displayed."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.asarray(frames[number].to_ndarray(format="rgb24"), np.uint8)


def middle_s(number: int) -> float:
    """Return a time at which the frame with `number` is shown."""
    return float((number + 0.5) / CLIP.frame_rate)


@pytest.mark.parametrize("style", list(BlurStyle))
def test_output_of_each_style_plays(tmp_path: Path, style: BlurStyle) -> None:
    """Size, time and picture in Chromium: the source's outside the face, nothing of it inside."""
    source, target = make_clip(tmp_path / "in.mp4", CLIP), tmp_path / "out.mp4"
    report = redact_video(source, target, faces_document(CLIP), RenderSettings(style=style), ignore)
    verify_output(target, report)

    shown = play(BROWSER or "", target, middle_s(LATE), tmp_path / "profile")

    assert (shown.size, shown.ranges > 0) == (CLIP.size, True)
    assert shown.duration_s == pytest.approx(CLIP.seconds, abs=0.1)
    assert shown.times_s == sorted(shown.times_s)
    assert shown.times_s[-1] - shown.times_s[0] > 0.5
    before = rgb(source, LATE)
    outside = np.abs(shown.picture[120:, :100].astype(int) - before[120:, :100])
    box = CLIP.boxes(CLIP.times[LATE])[0]
    assert outside.mean() < 4
    assert detail(before[:, :, 1], box) > 60
    assert detail(shown.picture[:, :, 1], box) < 12


def test_unplayable_video_is_told_by_name(tmp_path: Path) -> None:
    """The test above would notice: MPEG-4 part 2 has a picture for few players, and none here."""
    source = make_clip(tmp_path / "in.mp4", replace(CLIP, codec="mpeg4", options={}, audio=()))

    with pytest.raises(RuntimeError, match=r"in\.mp4 cannot be played"):
        play(BROWSER or "", source, 0.5, tmp_path / "profile")
