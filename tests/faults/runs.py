"""One upload under one fault, and whether the promise was kept: exactly one of two visible ways.

`python -m tests.faults.runs [RUNS] [SEED]` is the soak: every call under every fault, once, for one whole
invocation and for ever, and then RUNS random pairs of faults. It ends with 1 where a promise was broken.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from local_cloud.cloud import LocalCloud
from local_cloud.faults import FOR_EVER, Fault, FaultKind, Step
from local_cloud.rekognition import RekognitionSettings
from local_cloud.settings import CloudSettings
from tests.end_to_end.conftest import ROOT, Pipeline
from tests.portraits import PortraitClip, make_portrait_clip

# What botocore and the functions try by themselves within one invocation.
ONE_INVOCATION = 5
SIDE_BY_SIDE = 8
GROUPS = (("preset", "ultrafast"), ("x264-params", "keyint=4:min-keyint=4:scenecut=0"))
CLIP = PortraitClip([(240 + step, 135) for step in range(12)], options=GROUPS)
SETTINGS = CloudSettings(
    retry_delays_s=(0.05, 0.05),
    zip_concurrency=SIDE_BY_SIDE,
    image_concurrency=SIDE_BY_SIDE,
    rekognition=RekognitionSettings(open_jobs=SIDE_BY_SIDE),
    # The noise of mosaic differs from upload to upload.
    renderer={"PRESET": "ultrafast", "ENCODER_THREADS": "1", "BLUR_STYLE": "solid"},
)
SEGMENTED = {"SEGMENT_WORK_S": "0.001", "SEGMENTS_AT_ONCE": "2"}


@dataclass(frozen=True)
class Run:
    """What became of one upload: which faults it had, how often they struck, and how it ended."""

    faults: tuple[Fault, ...]
    strikes: int
    ending: str
    violation: str = ""


@dataclass(frozen=True)
class Laboratory:
    """A deployed system, a clip, and what its output shows when nothing goes wrong."""

    pipeline: Pipeline
    clip: bytes
    good: str
    steps: tuple[Step, ...]

    def run(self, name: str, faults: Sequence[Fault]) -> Run:
        """Upload the clip as `name` and return what became of it."""
        marker, cloud = f"{name}.mp4", self.pipeline.cloud
        cloud.faults.watch(name, *faults)
        upload = self.pipeline.put(self.clip, marker)
        if (ended := _ended(self.pipeline, upload.execution_arn)) is None:
            lost = [event for event in cloud.lost_events if marker.encode() in event.payload]
            violation = "" if lost else "no execution, and no lost event"
            return Run(tuple(faults), cloud.faults.strikes(name), "lost event", violation)
        outcome = self.pipeline.wait(upload)
        seen = picture(outcome.output) if outcome.output else ""
        violation = _violation(ended["status"], outcome.manifest, seen, self.good)
        return Run(tuple(faults), cloud.faults.strikes(name), ended["status"], violation)

    def all_runs(self, plans: Iterable[Sequence[Fault]]) -> list[Run]:
        """Run every plan, some of them side by side."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(lambda plan: self.run(plan[0].marker, plan), plans))


@contextmanager
def laboratory(renderer: dict[str, str]) -> Iterator[Laboratory]:
    """Open a system, and record the calls of a run in which nothing goes wrong."""
    settings = {**SETTINGS.renderer, **renderer}
    with tempfile.TemporaryDirectory() as name, LocalCloud(_with_renderer(settings)) as cloud:
        cloud.deploy(ROOT)
        hurry(cloud)
        folder = Path(name)
        pipeline = Pipeline(cloud, folder)
        clip = make_portrait_clip(folder / "clip.mp4", CLIP).read_bytes()
        cloud.faults.watch("good")
        outcome = pipeline.blur(clip, "good.mp4")
        assert outcome.output is not None, outcome
        steps = cloud.faults.steps("good")
        yield Laboratory(pipeline, clip, picture(outcome.output), tuple(dict.fromkeys(steps)))


def hurry(cloud: LocalCloud) -> None:
    """Let the state machine wait for a second at most before it tries again; all else stays as deployed."""
    stepfunctions, arn = cloud.client("stepfunctions"), cloud.state_machine_arn
    definition = json.loads(stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"])
    for retry in _retries(definition):
        retry.update(IntervalSeconds=1, BackoffRate=1, MaxDelaySeconds=1)
    stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def plans(
    steps: Sequence[Step], kinds: Iterable[FaultKind], attempts: Iterable[int], prefix: str
) -> list[list[Fault]]:
    """Return one plan for each call, kind and number of attempts; each has a marker of its own."""
    every = [(step, kind, count) for kind in kinds for count in attempts for step in steps]
    return [[Fault(f"{prefix}{n:04}", *one)] for n, one in enumerate(every)]


def random_plans(steps: Sequence[Step], runs: int, seed: int) -> list[list[Fault]]:
    """Return plans of two faults each, the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 chosen by lot, and again by the same seed
    attempts = (1, 2, ONE_INVOCATION, FOR_EVER)
    return [
        [
            Fault(f"pair{n:04}", dice.choice(steps), dice.choice(list(FaultKind)), dice.choice(attempts))
            for _ in range(2)
        ]
        for n in range(runs)
    ]


def picture(path: Path) -> str:
    """Return a digest of what a video shows."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


def table(runs: Sequence[Run]) -> str:
    """Return what became of runs, by the kind of their first fault."""
    lines = ["| fault | runs | struck | endings | violations |", "|---|---|---|---|---|"]
    for kind in FaultKind:
        own = [run for run in runs if run.faults[0].kind is kind]
        counts = sorted(Counter(run.ending for run in own).items())
        endings = ", ".join(f"{name} {count}" for name, count in counts)
        struck, broken = sum(run.strikes > 0 for run in own), sum(bool(run.violation) for run in own)
        lines.append(f"| {kind.value} | {len(own)} | {struck} | {endings} | {broken} |")
    return "\n".join(lines)


def _with_renderer(renderer: dict[str, str]) -> CloudSettings:
    return CloudSettings(**{**vars(SETTINGS), "renderer": renderer})


def _retries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from value.get("Retry", [])
        for inner in value.values():
            yield from _retries(inner)


def _ended(pipeline: Pipeline, arn: str) -> dict[str, Any] | None:
    """Return how an execution ended, None where none was started."""
    try:
        return pipeline.ended(arn)
    except TimeoutError:
        return None


def _violation(status: str, manifest: dict[str, Any], seen: str, good: str) -> str:
    """Return which part of the promise is broken, if one is."""
    told = manifest.get("status", "no manifest")
    if (status, told) == ("SUCCEEDED", "SUCCEEDED"):
        return "" if seen == good else "the output shows something else"
    if seen and seen != good:
        return "an output that shows something else"
    if seen:
        return f"an output, and {status} with {told}"
    return "" if (status, told) == ("FAILED", "FAILED") else f"no output, and {status} with {told}"


def main(runs: int, seed: int) -> int:
    """Run the soak; print its table and what was broken."""
    broken = 0
    for name, renderer in (("in one piece", {}), ("in segments", SEGMENTED)):
        with laboratory(renderer) as found:
            every = plans(found.steps, FaultKind, (1, ONE_INVOCATION, FOR_EVER), "f")
            done = found.all_runs([*every, *random_plans(found.steps, runs // 2, seed)])
        print(f"\n{name}: {len(found.steps)} calls, {len(done)} runs, seed {seed}\n\n{table(done)}")
        for run in (run for run in done if run.violation):
            print(f"VIOLATION {run.violation}: {run.faults}")
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in (sys.argv[1:] or ["100", "1"]))))
