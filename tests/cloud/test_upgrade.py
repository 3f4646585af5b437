"""A renderer is mended and deployed while segments that it drew lie in the work bucket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deploy.executions import redrive
from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings
from tests.checks.readback import shown_frames
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.end_to_end.conftest import ROOT, Outcome, Pipeline

CLIP = PortraitClip(
    [(60 + 3 * step, 135) for step in range(24)],
    options=(("preset", "ultrafast"), ("x264-params", "keyint=6:min-keyint=6:scenecut=0")),
)
COVERS = "return np.full(area.shape, 1 << (options.depth - 1), area.dtype)"
IGNORED = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "stages")
JOINS = "    if job.segments is None:\n"


@dataclass(frozen=True)
class Upgrade:
    """One upload that failed under old code and was started again under new; another under new code only."""

    before: Outcome
    again: Outcome
    fresh: Outcome


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of what is deployed, to be broken."""
    folder = tmp_path / "project"
    for part in ("chalicelib", ".chalice", "statemachine", "blur_container"):
        shutil.copytree(ROOT / part, folder / part, ignore=IGNORED)
    for part in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / part, folder / part)
    return folder


@pytest.fixture
def upgrade(project: Path, tmp_path: Path) -> Iterator[Upgrade]:
    """Return the result of an upload whose faces the old code left uncovered, and failed to join."""
    renderer = {"SEGMENT_WORK_S": "0.01", "SEGMENTS_AT_ONCE": "2", "BLUR_STYLE": "solid"}
    clip = make_portrait_clip(tmp_path / "walk.mp4", CLIP)
    with LocalCloud(
        CloudSettings(detection="rekognition", retry_delays_s=(0.05,), renderer=renderer)
    ) as cloud:
        pipeline = Pipeline(cloud, tmp_path)
        container = project / "blur_container"
        replace_in(container / "masking" / "blur.py", COVERS, "return area.copy()")
        replace_in(container / "functions" / "assemble_video.py", JOINS, f"    raise KeyError\n{JOINS}")
        cloud.deploy(project)
        upload = pipeline.put(clip, "walk.mp4")
        before = pipeline.wait(upload)
        cloud.deploy(ROOT)
        redrive(cloud.client("stepfunctions"), cloud.state_machine_arn)
        pipeline.ended(f"{upload.execution_arn}-again-1")
        again = pipeline.wait(upload)
        yield Upgrade(before, again, pipeline.blur(clip, "fresh.mp4"))


def replace_in(path: Path, text: str, other: str) -> None:
    """Write `other` in the place of `text`, which must be there."""
    content = path.read_text(encoding="utf-8")
    assert content.count(text) == 1
    path.write_text(content.replace(text, other), encoding="utf-8")


def test_mended_renderer_draws_anew_what_the_old_one_drew(upgrade: Upgrade) -> None:
    """`make deploy`, then `make redrive`: not one frame of the old code is delivered."""
    assert upgrade.before.error == "KeyError"
    assert upgrade.again.output is not None
    assert upgrade.fresh.output is not None

    again, fresh = (
        shown_frames(outcome.output) for outcome in (upgrade.again, upgrade.fresh) if outcome.output
    )

    assert upgrade.again.manifest["code_version"] == upgrade.fresh.manifest["code_version"]
    assert "assemble" in upgrade.again.manifest["steps"]
    assert all(np.array_equal(one.luma, other.luma) for one, other in zip(again, fresh, strict=True))
