"""Render clips with flipped bytes; each must end in a verified output or a named error.

`python -m tests.fuzz.byte_flips FOLDER FIRST_SEED SEEDS` prints the number of files by result.
The other modules of this folder fuzz the container's functions.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from blur_container.rendering.progress import Progress
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import FaceBlurError
from tests.clips import Clip, Face, faces_document, make_clip

OUTPUT = "verified output"
_FLIPS = (1, 3, 10, 50)
_CLIP = Clip(faces=[Face()], size=(64, 48), seconds=0.4, audio=["aac"])
_SOURCES = {
    "plain.mp4": _CLIP,
    "plain.mkv": _CLIP,
    "fragments.mp4": Clip(
        faces=[Face()],
        size=(64, 48),
        seconds=0.4,
        audio=["aac"],
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    "pcm.mov": Clip(faces=[Face()], size=(64, 48), seconds=0.4, audio=["pcm_s16le"]),
    "odd.webm": Clip(
        faces=[Face()], size=(65, 49), seconds=0.4, codec="libvpx-vp9", options={"deadline": "realtime"}
    ),
    "deep.mp4": Clip(
        faces=[Face()],
        size=(64, 48),
        seconds=0.4,
        codec="libx265",
        pixel_format="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": "log-level=none"},
    ),
}


def flipped(content: bytes, seed: int) -> bytes:
    """Return `content` with some bytes replaced; the same seed gives the same bytes."""
    chance = random.Random(seed)  # noqa: S311 no secret
    changed = bytearray(content)
    for _ in range(chance.choice(_FLIPS)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def ends(folder: Path, seeds: Iterable[int]) -> Counter[str]:
    """Render one mutated clip for each seed; return the number of clips by result."""
    sources = [make_clip(folder / name, clip) for name, clip in _SOURCES.items()]
    contents = [(source.suffix, source.read_bytes()) for source in sources]
    met: Counter[str] = Counter()
    for seed in seeds:
        suffix, content = contents[seed % len(contents)]
        mutant = folder / f"mutant{suffix}"
        mutant.write_bytes(flipped(content, seed))
        met[_end(mutant, folder / "out.mp4")] += 1
    return met


def _end(source: Path, target: Path) -> str:
    target.unlink(missing_ok=True)
    try:
        report = redact_video(source, target, faces_document(_CLIP), RenderSettings(), _ignore)
    except FaceBlurError as error:
        if target.exists():
            raise AssertionError(f"a partial output of {source}") from error
        return type(error).__name__
    try:
        verify_output(target, report)
    except FaceBlurError as error:
        return type(error).__name__
    return OUTPUT


def _ignore(_: Progress) -> None:
    pass


if __name__ == "__main__":
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(ends(folder, range(first, first + count))))
