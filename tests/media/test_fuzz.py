"""The fuzz of the functions: a few of its mutants, and that it would notice what it looks for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.clips import make_clip
from tests.fuzz import boxes, documents
from tests.fuzz.trials import CLIP, FIND, Laboratory
from tests.fuzz.truth import Truth

# The last three were finds: HEVC that its decoder shows broken, and says nothing of.
SEEDS = (*range(45), 3499, 3662, 4637)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file that is mutated."""
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", CLIP).read_bytes()


def test_mutants_end_in_a_covered_output_or_by_name(tmp_path: Path) -> None:
    """Of sources, payloads, faces, plans, tracks, records and segments; `make fuzz` takes more time."""
    laboratory = Laboratory(tmp_path)

    endings = [laboratory.run(seed) for seed in SEEDS]

    assert [ending for ending in endings if ending.end.startswith(FIND)] == []
    assert len({ending.end for ending in endings}) >= 4
    assert len({ending.kind for ending in endings}) >= 10


@pytest.mark.parametrize("mutation", boxes.MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_mutations_of_boxes_change_the_file_the_same_way_again(clip: bytes, mutation: boxes.Mutation) -> None:
    """A find can be looked at again by its seed."""
    once, again = ([mutation(clip, random.Random(seed)) for seed in range(5)] for _ in range(2))  # noqa: S311

    assert once == again
    assert any(mutant != clip for mutant in once)


def test_mutations_of_documents_are_json_or_torn() -> None:
    """Most of them are read as JSON and refused for what they say."""
    text = json.dumps({"version": 1, "detections": [{"time_ms": 0, "box": [0.1, 0.2, 0.3, 0.4]}]}).encode()

    mutants = [documents.mutated(text, random.Random(seed)) for seed in range(50)]  # noqa: S311

    assert len({*mutants}) > 30
    assert sum(mutant.startswith(b'{"version"') for mutant in mutants) > 20


@pytest.mark.parametrize(
    ("seconds", "names", "complaint"),
    [
        (CLIP.seconds, ("clip.mp4", "clip.mp4.manifest.json"), "a bare face in 12 frames of 12"),
        (0.2, ("clip.mp4", "clip.mp4.manifest.json"), "6 frames of 12"),
        (CLIP.seconds, ("clip.mp4",), "outputs ['clip.mp4']"),
    ],
)
def test_a_bare_face_a_lost_frame_or_half_an_output_is_a_find(
    tmp_path: Path, clip: bytes, seconds: float, names: tuple[str, ...], complaint: str
) -> None:
    """What the functions never let out is put in the place of their output."""
    bare = make_clip(tmp_path / "bare.mp4", type(CLIP)(**{**vars(CLIP), "seconds": seconds})).read_bytes()

    told = Truth(CLIP, clip, clip).complaint(dict.fromkeys(names, bare), tmp_path)

    assert told == complaint
