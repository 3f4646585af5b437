"""Run mutants through the container's functions, and report each end and whether it is a find."""

from __future__ import annotations

import random
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalicelib.contract.errors import FaceBlurError
from tests.clips import Clip, Face, faces_document, make_clip
from tests.fuzz import boxes, documents
from tests.fuzz.stages import Stages
from tests.fuzz.truth import Truth

OUTPUT = "verified output"
FIND = "FIND"
GROUPS = {"preset": "veryfast", "x264-params": "keyint=4:min-keyint=4:scenecut=0"}
CLIP = Clip(
    faces=[Face(speed_x=0.2)],
    size=(160, 96),
    seconds=0.4,
    audio=["aac"],
    options=GROUPS,
    metadata={"title": "Harbour", "comment": "at home", "location": "+53.5403+009.9678/"},
)
_X265 = {"x265-params": "log-level=none:keyint=4:min-keyint=4:scenecut=0:open-gop=0"}
_CLIPS = {
    "plain.mp4": CLIP,
    "turned.mp4": replace(CLIP, rotation=90),
    "pcm.mov": replace(CLIP, audio=["pcm_s16le"]),
    "deep.mp4": replace(
        CLIP, codec="libx265", pixel_format="yuv420p10le", options={"preset": "ultrafast", **_X265}
    ),
    "fragments.mp4": replace(CLIP, container_options={"movflags": "frag_keyframe+empty_moov"}),
}
WHOLE, SHARED, TASK = ("whole",), ("plan", "render", "assemble"), ("task",)


@dataclass(frozen=True)
class Ending:
    """Result of a trial: kind and mutations, the name of its end, seconds, and the traceback of a find."""

    seed: int
    kind: str
    how: str
    end: str
    seconds: float
    trace: str = ""


@dataclass(frozen=True)
class Trial:
    """A mutant, the steps to run on it, and the known truth about its output."""

    how: str
    stages: Stages
    steps: tuple[str, ...]
    truth: Truth


class Laboratory:
    """Clips, and the first clip's objects after each function, from which trials start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scratch = folder / "scratch"
        # A worker that crashed has left files.
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self._sources = [(clip, make_clip(folder / name, clip).read_bytes()) for name, clip in _CLIPS.items()]
        clip, content = self._sources[0]
        start = Stages.of(content, faces_document(clip), self.scratch)
        self._clean = {0: start, 1: self._after(start, "plan"), 2: self._after(start, "plan", "render")}

    def run(self, seed: int) -> Ending:
        """Run the mutant of that seed; return how it ended."""
        chance = random.Random(seed)  # noqa: S311 no secret
        kind = chance.choice(sorted(_KINDS))
        trial = _KINDS[kind](self, chance)
        begin_s = time.monotonic()
        end, trace = self._end(trial)
        return Ending(seed, kind, trial.how, end, round(time.monotonic() - begin_s, 3), trace)

    def of_source(self, chance: random.Random, change: Callable[..., Any], steps: tuple[str, ...]) -> Trial:
        """Return a trial of a mutated source."""
        clip, content = chance.choice(self._sources)
        how, mutant = change(content, chance)
        stages = Stages.of(mutant, faces_document(clip), self.scratch)
        return Trial(how, stages, steps, Truth(clip, content, mutant))

    def of_document(self, chance: random.Random, ending: str, ran: int, steps: tuple[str, ...]) -> Trial:
        """Return a trial in which one object of the work bucket is mutated after `ran` functions."""
        stages = self._clean[ran].copy()
        place = chance.choice(stages.keys(ending))
        change = _part if ending == ".mp4" else _document
        how, stages.objects[place] = change(stages.objects[place], chance)
        return Trial(f"{place[1].rpartition('/')[2]} {how}", stages, steps, self._clean_truth(ending))

    def of_payload(self, chance: random.Random, steps: tuple[str, ...]) -> Trial:
        """Return a trial whose payload is mutated before any one of the steps."""
        ran = chance.randrange(len(steps))
        stages = self._clean[ran].copy()
        stages.payload = documents.changed(stages.payload, chance)
        return Trial(f"before {steps[ran]}", stages, steps[ran:], self._clean_truth(""))

    def of_task(self, chance: random.Random) -> Trial:
        """Return a trial with a mutated payload of the state machine's Map; it has no output."""
        stages = self._clean[1].copy()
        stages.payload = documents.changed({"job": stages.payload, "segment": 1}, chance)
        return Trial("task", stages, TASK, self._clean_truth(""))

    def _clean_truth(self, ending: str) -> Truth:
        clip, content = self._sources[0]
        # A mutated document of faces or tracks may contain none.
        return Truth(clip, content, content, covered=ending not in ("faces.json", "tracks.json"))

    def _after(self, start: Stages, *steps: str) -> Stages:
        stages = start.copy()
        stages.run(*steps)
        return stages

    def _end(self, trial: Trial) -> tuple[str, str]:
        stages = trial.stages
        try:
            stages.run(*trial.steps)
            complaint = trial.truth.complaint(stages.outputs, self._folder)
            end = f"{FIND} {complaint}" if complaint and trial.steps != TASK else OUTPUT
        except FaceBlurError as error:
            end = type(error).__name__
            if stages.outputs:
                end = f"{FIND} {end}, and an output"
        except BaseException as error:  # noqa: BLE001 an error outside the contract is a find
            return f"{FIND} {type(error).__name__}: {str(error)[:200]}", traceback.format_exc()[-3000:]
        left = [path.name for path in self.scratch.iterdir()]
        return (f"{FIND} files left: {left}" if left else end), ""


def _boxes(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    return boxes.mutated(content, chance)


def _bytes(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 10, 50))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    cut = len(changed) if chance.randrange(8) else chance.randrange(len(changed))
    return "bytes", bytes(changed[:cut])


def _part(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    return _boxes(content, chance) if chance.randrange(2) else _bytes(content, chance)


def _document(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    return "document", documents.mutated(content, chance)


_KINDS: dict[str, Callable[[Laboratory, random.Random], Trial]] = {
    "whole, boxes": lambda lab, chance: lab.of_source(chance, _boxes, WHOLE),
    "whole, bytes": lambda lab, chance: lab.of_source(chance, _bytes, WHOLE),
    "whole, payload": lambda lab, chance: lab.of_payload(chance, WHOLE),
    "whole, faces": lambda lab, chance: lab.of_document(chance, "faces.json", 0, WHOLE),
    "segments, boxes": lambda lab, chance: lab.of_source(chance, _boxes, SHARED),
    "segments, boxes again": lambda lab, chance: lab.of_source(chance, _boxes, SHARED),
    "segments, bytes": lambda lab, chance: lab.of_source(chance, _bytes, SHARED),
    "segments, payload": lambda lab, chance: lab.of_payload(chance, SHARED),
    "segments, task": lambda lab, chance: lab.of_task(chance),
    "segments, faces": lambda lab, chance: lab.of_document(chance, "faces.json", 0, SHARED),
    "segments, faces later": lambda lab, chance: lab.of_document(chance, "faces.json", 2, SHARED[2:]),
    "segments, plan": lambda lab, chance: lab.of_document(chance, "plan.json", 1, SHARED[1:]),
    "segments, plan later": lambda lab, chance: lab.of_document(chance, "plan.json", 2, SHARED[2:]),
    "segments, tracks": lambda lab, chance: lab.of_document(chance, "tracks.json", 1, SHARED[1:]),
    "segments, record": lambda lab, chance: lab.of_document(chance, "0.json", 2, SHARED[1:]),
    "segments, part": lambda lab, chance: lab.of_document(chance, ".mp4", 2, SHARED[2:]),
}
