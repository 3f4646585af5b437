"""The container's detector alone, in a deployed cloud: Rekognition is never called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clips.portraits import make_portrait_clip
from tests.clouds.detection_modes import CLIP, covered, deployed
from tests.end_to_end.conftest import Pipeline


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a system with the container's detector alone."""
    yield from deployed("container", tmp_path_factory)


def test_the_container_alone_makes_no_call_of_rekognition(alone: Pipeline, tmp_path: Path) -> None:
    """Its account may have no such service."""
    outcome = alone.blur(make_portrait_clip(tmp_path / "clip.mp4", CLIP), "clip.mp4")

    assert covered(outcome) == {"mode": "container"}
    assert outcome.manifest["cost_estimate_usd"]["rekognition"] == 0
    assert outcome.manifest["detections"] == 0
    assert not [call for call in alone.cloud.calls() if call.action.startswith("rekognition:")]
