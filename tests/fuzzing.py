"""Fuzzing: clips with flipped bytes; each ends in a verified output or in a named error.

`python -m tests.fuzzing renderer FOLDER FIRST_SEED SEEDS` renders files; `python -m tests.fuzzing entry ...`
takes a number of seconds last and goes through the function blur-faces with its storage. Both print how often
each end was met.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from blur_container.handler import BlurFaces
from blur_container.redact import redact_video
from blur_container.rendering import Progress
from blur_container.settings import RenderSettings, Settings
from blur_container.transfer import Storage
from blur_container.verify import verify_output
from chalicelib.contract.errors import FaceBlurError
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Job, faces_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clips import Clip, Face, faces_document, make_clip
from tests.media.fake_s3 import FakeS3

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
    """Return `content` with some bytes replaced; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 no secret
    changed = bytearray(content)
    for _ in range(chance.choice(_FLIPS)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(content: bytes, seed: int) -> bytes:
    """Return one clip in ten without its end."""
    return content if seed % 10 else content[: random.Random(-seed).randrange(len(content))]  # noqa: S311 no secret


def ends(folder: Path, seeds: Iterable[int]) -> Counter[str]:
    """Render one mutated clip for each seed; return how often each end was met."""
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


def entry_ends(folder: Path, first_seed: int, seconds: float) -> Counter[str]:
    """Send mutated clips through blur-faces for so long; return how often each end was met."""
    contents = [make_clip(folder / name, clip).read_bytes() for name, clip in _SOURCES.items()]
    met: Counter[str] = Counter()
    deadline_s = time.monotonic() + seconds
    for seed in itertools.count(first_seed):
        if time.monotonic() > deadline_s:
            return met
        met[_entry_end(_cut(flipped(contents[seed % len(contents)], seed), seed))] += 1
    raise AssertionError("seeds do not end")


def _entry_end(content: bytes) -> str:
    source = SourceObject("input", "clip.mp4", "v1", "etag", "01", len(content))
    reference = ObjectReference("work", faces_key(source))
    faces = replace(faces_document(_CLIP), source_id=source.identity).to_json().encode()
    client = FakeS3({("input", "clip.mp4"): content, ("work", reference.key): faces})
    job = Job(source, DetectionProgress(DetectionStatus.SUCCEEDED, "job"), faces=reference)
    settings = Settings("work", "output", "fuzz", RenderSettings())
    try:
        BlurFaces(Storage(client), settings, EventLog("blur-faces", io.StringIO())).run(job)
    except FaceBlurError as error:
        if any(bucket == "output" for bucket, _ in client.objects):
            raise AssertionError("a failed job left something in the output bucket") from error
        return type(error).__name__
    if ("output", "clip.mp4") not in client.objects:
        raise AssertionError("a job that succeeded left no output")
    return OUTPUT


if __name__ == "__main__":
    entrance, folder, first, amount = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    found = (
        entry_ends(folder, first, amount)
        if entrance == "entry"
        else ends(folder, range(first, first + amount))
    )
    print(json.dumps(found))
