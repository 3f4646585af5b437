"""The fuzz of the container's functions finds nothing in a few mutants, and notices broken outputs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clips import make_clip
from tests.fuzz import boxes, documents
from tests.fuzz.trials import CLIP, FIND, Laboratory
from tests.fuzz.truth import Truth

# The last four were findings: damaged HEVC that its decoder shows without an error, and frames with one time.
SEEDS = (*range(45), 3499, 3662, 4637, 992_948)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file that is mutated."""
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", CLIP).read_bytes()


def test_mutants_end_in_a_covered_output_or_by_name(tmp_path: Path) -> None:
    """A sample of mutants ends in a covered output or a named error; `make fuzz` runs more."""
    laboratory = Laboratory(tmp_path)

    endings = [laboratory.run(seed) for seed in SEEDS]

    assert [ending for ending in endings if ending.end.startswith(FIND)] == []
    assert len({ending.end for ending in endings}) >= 4
    assert len({ending.kind for ending in endings}) >= 10


@pytest.mark.parametrize("mutation", boxes.MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_mutations_of_boxes_change_the_file_the_same_way_again(clip: bytes, mutation: boxes.Mutation) -> None:
    """The same seed gives the same mutation, so that a find can be reproduced."""
    once, again = ([mutation(clip, random.Random(seed)) for seed in range(5)] for _ in range(2))  # noqa: S311

    assert once == again
    assert any(mutant != clip for mutant in once)


def test_mutations_of_documents_are_json_or_torn() -> None:
    """Most mutants are still JSON, so that their values are checked and not only their syntax."""
    text = json.dumps({"version": 1, "detections": [{"time_ms": 0, "box": [0.1, 0.2, 0.3, 0.4]}]}).encode()

    mutants = [documents.mutated(text, random.Random(seed)) for seed in range(50)]  # noqa: S311

    assert len({*mutants}) > 30
    assert sum(mutant.startswith(b'{"version"') for mutant in mutants) > 20


@pytest.mark.parametrize(
    ("seconds", "names", "complaint"),
    [
        (CLIP.seconds, ("clip.mp4", "clip.mp4.manifest.json"), "uncovered face in 12 frames of 12"),
        (0.2, ("clip.mp4", "clip.mp4.manifest.json"), "6 frames of 12"),
        (CLIP.seconds, ("clip.mp4",), "outputs ['clip.mp4']"),
    ],
)
def test_a_bare_face_a_lost_frame_or_half_an_output_is_a_find(
    tmp_path: Path, clip: bytes, seconds: float, names: tuple[str, ...], complaint: str
) -> None:
    """The fuzz reports an output with an uncovered face, a missing frame, or a missing manifest."""
    unblurred = replace(CLIP, seconds=seconds)
    output = make_clip(tmp_path / "unblurred.mp4", unblurred).read_bytes()

    found = Truth(CLIP, clip, clip).complaint(dict.fromkeys(names, output), tmp_path)

    assert found == complaint
