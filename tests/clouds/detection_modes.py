"""A deployed system with one detection mode, a clip for it, and a check that its face is covered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contract.faces import Box
from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings
from tests.checks.readback import detail, shown_frames
from tests.clips.portraits import SIZE, PortraitClip
from tests.clouds.short_retries import shorten_retries
from tests.end_to_end.conftest import ROOT, Outcome, Pipeline

PLACES = [(200 + 3 * step, 135) for step in range(24)]
CLIP = PortraitClip(PLACES)
FAST = {"PRESET": "ultrafast", "ENCODER_THREADS": "1"}
# The eyes, nose and mouth, in pixels around a place; the clip has a detail of 16 and more there.
FACE_PX = (40, 50)
GONE = 6.0


def deployed(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Yield a system with the detectors of `mode`, whose state machine retries soon."""
    settings = CloudSettings(detection=mode, retry_delays_s=(0.05,), renderer=FAST)
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        shorten_retries(cloud, 2)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


def detail_left(path: Path) -> float:
    """Return the most detail in the face of any frame of `path`, which must have all frames."""
    width, height = SIZE
    (face_width, face_height), frames = FACE_PX, shown_frames(path)
    boxes = (
        Box(
            (x - face_width / 2) / width,
            (y - face_height / 2) / height,
            face_width / width,
            face_height / height,
        )
        for x, y in PLACES
    )
    return max(detail(frame.luma, box) for frame, box in zip(frames, boxes, strict=True))


def covered(outcome: Outcome) -> dict[str, Any]:
    """Return the manifest's `detection` of an outcome that must be a video without a face."""
    assert (outcome.status, outcome.error) == ("SUCCEEDED", ""), outcome
    assert outcome.output is not None
    assert detail_left(outcome.output) < GONE
    found: dict[str, Any] = outcome.manifest["detection"]
    return found
