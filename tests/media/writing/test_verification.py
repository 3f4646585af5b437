"""Verification: what is not the promised file is not delivered."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blur_container.rendering.report import RenderedFile
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.writing.packet_digest import StreamDigest
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import OutputMismatch
from tests.checks.segmented import ignore
from tests.clips import Clip, Face, document_of, make_clip


def with_audio(report: RenderedFile, *digests: StreamDigest) -> RenderedFile:
    """Return `report` with other digests of its sound."""
    return replace(report, beside=replace(report.beside, audio=digests))


@pytest.fixture
def rendered(tmp_path: Path) -> tuple[Path, RenderedFile]:
    """Return an output that is right, with its report."""
    source = make_clip(tmp_path / "in.mp4", Clip(faces=[Face()], audio=["aac"]))
    target = tmp_path / "out.mp4"
    return target, redact_video(source, target, document_of([]), RenderSettings(), ignore).file


def test_right_output_passes(rendered: tuple[Path, RenderedFile]) -> None:
    """Verification accepts a correct file."""
    verify_output(*rendered)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda report: replace(report, pts=report.pts[:-1]), id="a frame too many"),
        pytest.param(lambda report: replace(report, pts=array("q", [*report.pts, 30])), id="a frame missing"),
        pytest.param(lambda report: replace(report, pts=array("q", [1, *report.pts[1:]])), id="a frame late"),
        pytest.param(with_audio, id="another number of audio streams"),
        pytest.param(lambda report: with_audio(report, StreamDigest(45, "00")), id="another sound"),
    ],
)
def test_every_difference_is_found(
    rendered: tuple[Path, RenderedFile], change: Callable[[RenderedFile], RenderedFile]
) -> None:
    """Frames, times and sound are compared one by one."""
    path, report = rendered

    with pytest.raises(OutputMismatch):
        verify_output(path, change(report))


@pytest.mark.parametrize("tenths", [0, 3, 9])
def test_cut_output_is_found(rendered: tuple[Path, RenderedFile], tenths: int) -> None:
    """A full disk ends a file early."""
    path, report = rendered
    content = path.read_bytes()

    path.write_bytes(content[: len(content) * tenths // 10])

    with pytest.raises(OutputMismatch):
        verify_output(path, report)


def test_broken_keyframe_is_found(rendered: tuple[Path, RenderedFile]) -> None:
    """The index is right, the picture is not decodable."""
    path, report = rendered
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4

    # The first 700 bytes of the first picture name the encoder.
    content[begin + 720 : begin + 1400] = bytes(680)
    path.write_bytes(bytes(content))

    with pytest.raises(OutputMismatch):
        verify_output(path, report)
