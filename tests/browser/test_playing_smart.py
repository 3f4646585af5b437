"""A smart render in Chromium: copied and encoded groups play as one stream, across both kinds of joints."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings, TrackSettings
from blur_container.writing.verification import verify_output
from tests.browser.chromium import chromium, play
from tests.checks.readback import detail
from tests.checks.versions import needs_pyav_18
from tests.clips import Clip, Face, document_of, faces_document, make_clip

BROWSER = chromium()
GROUPS = {"preset": "veryfast", "crf": "16", "x264-params": "keyint=15:min-keyint=15:scenecut=0"}
CLIP = Clip(faces=[Face()], seconds=3.0, audio=["aac"], options=GROUPS)

pytestmark = [pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"), needs_pyav_18]
# Covered where it was seen and hardly beyond: the groups at both ends show no face.
SMART = RenderSettings(smart_render=True, follow_faces=False, tracks=TrackSettings(hold_intervals=0.6))


def green(path: Path, number: int) -> NDArray[np.uint8]:
    """Return the green of the frame with `number`."""
    with av.open(str(path)) as container:
        return np.asarray(
            list(container.decode(video=0))[number].to_ndarray(format="rgb24")[:, :, 1], np.uint8
        )


@pytest.mark.parametrize(("number", "is_blurred"), [(7, False), (38, True), (68, False)])
def test_smart_render_plays_on_both_sides_of_its_joints(
    tmp_path: Path, number: int, *, is_blurred: bool
) -> None:
    """Groups 0 and 4 are the source's own, group 2 is encoded: each shows what it should."""
    source, target = make_clip(tmp_path / "in.mp4", CLIP), tmp_path / "out.mp4"
    every = faces_document(CLIP, interval_ms=100).detections
    faces = document_of([seen for seen in every if 1150 < seen.time_ms < 1350])
    report = redact_video(source, target, faces, SMART, lambda _: None)
    verify_output(target, report)

    shown = play(BROWSER or "", target, float((number + 0.5) / CLIP.frame_rate), tmp_path / "profile")

    box = CLIP.boxes(CLIP.times[number])[0]
    outside = np.abs(shown.picture[120:, :100, 1].astype(int) - green(source, number)[120:, :100])
    assert report.copied is not None
    assert (shown.size, shown.times_s == sorted(shown.times_s)) == (CLIP.size, True)
    assert shown.times_s[-1] - shown.times_s[0] > 0.5
    assert outside.mean() < 4
    assert (detail(shown.picture[:, :, 1], box) < 12) is is_blurred
