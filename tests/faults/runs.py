"""One upload under faults, and whether the promise was kept: exactly one of two visible ways.

`python -m tests.faults.runs [RUNS] [SEED] [KIND...]` is the soak: every call under every fault that it can
meet, once and for ever, and for one whole invocation where clients try again; the recording of failures, too;
then RUNS random pairs of faults, with every event delivered twice. With KINDs, such as BAD_DIGEST, single
faults are of those only, and RUNS should be 0. It ends with 1 where a promise was broken.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import av

from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.clouds.short_retries import shorten_retries
from tests.end_to_end.conftest import ENDED, ROOT, Pipeline, Upload
from tests.faults.plans import (
    LASTING,
    ONE_INVOCATION,
    TRIED_AGAIN,
    is_cut_off,
    is_unrecordable,
    plans,
    random_plans,
    recording_plans,
    unheard_plans,
)

# The machine hears nothing any more: its own end and the notification tell (docs/promises.md).
CUT_OFF = {
    ("FAILED", "no manifest", ""): "FAILED, told by its notification alone",
    ("FAILED", "SUCCEEDED", "the good picture"): "FAILED, and delivered, without one answer of Lambda",
}
# No failure can be written, by no try of hours.
UNRECORDED = ("FAILED", "no manifest", "")
DELIVERED = {"SUCCEEDED", "FAILED, and delivered, without one answer of Lambda"}
LOST = "lost event"
PATIENCE_S = 400
TRIES_MAX = 8
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
    failed_steps: tuple[Step, ...] = ()

    def run(self, name: str, faults: Sequence[Fault]) -> Run:
        """Upload the clip as `name` and return what became of it."""
        cloud = self.pipeline.cloud
        cloud.faults.watch(name, *faults)
        upload = self.pipeline.put(self.clip, f"{name}.mp4")
        status = self._ending(upload)
        strikes = cloud.faults.hits(name)
        if status not in ENDED:
            return Run(tuple(faults), strikes, status, "" if status == LOST else "neither way")
        outcome = self.pipeline.wait(upload)
        seen = picture(outcome.output) if outcome.output else ""
        told = outcome.manifest.get("status", "no manifest")
        shown = "the good picture" if seen == self.good else seen and "another one"
        if is_cut_off(faults) and (ending := CUT_OFF.get((status, told, shown))):
            return Run(tuple(faults), strikes, ending)
        if is_unrecordable(faults) and (status, told, shown) == UNRECORDED:
            return Run(tuple(faults), strikes, CUT_OFF[UNRECORDED])
        return Run(tuple(faults), strikes, status, _violation(status, told, seen, self.good))

    def _ending(self, upload: Upload) -> str:
        """Return the status of an execution when it has ended, or that its event was lost."""
        stepfunctions = self.pipeline.cloud.client("stepfunctions")
        deadline_s = time.monotonic() + PATIENCE_S
        status = "not started"
        while status not in ENDED and time.monotonic() < deadline_s:
            time.sleep(0.4)
            try:
                status = stepfunctions.describe_execution(executionArn=upload.execution_arn)["status"]
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                if self._is_lost(upload):
                    return LOST
        return str(status)

    def _is_lost(self, upload: Upload) -> bool:
        return any(upload.source.key.encode() in event.payload for event in self.pipeline.cloud.lost_events)

    def all_runs(self, plans: Sequence[Sequence[Fault]]) -> list[Run]:
        """Run every plan, some of them side by side; look at failures again when nothing runs any more."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            ended = pool.map(lambda plan: self.run(plan[0].marker, plan), plans)
            runs = list(_counted(ended, len(plans)))
        self.pipeline.cloud.settle()
        return [self._seen_again(run) for run in runs]

    def _seen_again(self, run: Run) -> Run:
        """Return the run, with a violation if its failure has got an output since."""
        if run.violation or run.ending in DELIVERED or not self._outputs(run.faults[0].marker):
            return run
        return replace(run, violation=f"an output came after {run.ending}")

    def _outputs(self, marker: str) -> int:
        cloud = self.pipeline.cloud
        found = cloud.client("s3").list_objects_v2(Bucket=cloud.buckets.output, Prefix=f"{marker}.mp4")
        return sum(entry["Key"] == f"{marker}.mp4" for entry in found.get("Contents", []))


def _counted(runs: Iterable[Run], total: int) -> Iterator[Run]:
    """Yield runs; say now and then how many there were, and how many of them broke a promise."""
    broken = 0
    for count, run in enumerate(runs, 1):
        broken += bool(run.violation)
        if count % 50 == 0:
            print(f"{count} of {total} runs, {broken} violations", file=sys.stderr, flush=True)
        yield run


@contextmanager
def laboratory(renderer: dict[str, str], deliveries: int = 1) -> Iterator[Laboratory]:
    """Open a system, and record the calls of a run in which nothing goes wrong."""
    renderer = {**SETTINGS.renderer, **renderer}
    settings = replace(SETTINGS, renderer=renderer, event_deliveries=deliveries)
    with tempfile.TemporaryDirectory() as name, LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        shorten_retries(cloud, TRIES_MAX)
        folder = Path(name)
        pipeline = Pipeline(cloud, folder)
        clip = make_portrait_clip(folder / "clip.mp4", CLIP).read_bytes()
        cloud.faults.watch("good")
        outcome = pipeline.blur(clip, "good.mp4")
        assert outcome.output is not None, outcome
        steps = tuple(dict.fromkeys(cloud.faults.steps("good")))
        failed_steps = _failed_steps(pipeline, clip, steps)
        yield Laboratory(pipeline, clip, picture(outcome.output), steps, failed_steps)


def _failed_steps(pipeline: Pipeline, clip: bytes, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the calls of a run whose job Rekognition fails."""
    faults = pipeline.cloud.faults
    asking = next(step for step in steps if step.can_meet(FaultKind.JOB_FAILED))
    faults.watch("badjob", Fault("badjob", asking, FaultKind.JOB_FAILED, FOR_EVER))
    outcome = pipeline.blur(clip, "badjob.mp4")
    assert outcome.status == "FAILED", outcome
    return tuple(dict.fromkeys(faults.steps("badjob")))


def picture(path: Path) -> str:
    """Return a digest of what a video shows."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


def table(runs: Sequence[Run]) -> str:
    """Return what became of runs, by the kind of their last fault."""
    lines = ["| fault | runs | struck | endings | violations |", "|---|---|---|---|---|"]
    for kind in FaultKind:
        own = [run for run in runs if run.faults[-1].kind is kind]
        if not own:
            continue
        counts = sorted(Counter(run.ending for run in own).items())
        endings = ", ".join(f"{name} {count}" for name, count in counts)
        struck, broken = sum(run.strikes > 0 for run in own), sum(bool(run.violation) for run in own)
        lines.append(f"| {kind.value} | {len(own)} | {struck} | {endings} | {broken} |")
    return "\n".join(lines)


def _violation(status: str, told: str, seen: str, good: str) -> str:
    """Return which part of the promise is broken, if one is."""
    if (status, told) == ("SUCCEEDED", "SUCCEEDED"):
        return "" if seen == good else "the output shows something else"
    if seen and seen != good:
        return "an output that shows something else"
    if seen:
        return f"an output, and {status} with {told}"
    return "" if (status, told) == ("FAILED", "FAILED") else f"no output, and {status} with {told}"


def main(runs: int, seed: int, kinds: Sequence[FaultKind]) -> int:
    """Run the soak; print its tables and what was broken."""
    broken = 0
    for name, renderer in (("in one piece", {}), ("in segments", SEGMENTED)):
        with laboratory(renderer) as found:
            broken += _told(f"{name}: {len(found.steps)} calls", found.all_runs(_call_plans(found, kinds)))
            recording = _recording_plans(found, kinds)
            broken += _told(f"{name}: the recording of failures", found.all_runs(recording))
        if runs:
            with laboratory(renderer, deliveries=2) as found:
                pairs = random_plans(found.steps, runs // 2, seed)
                broken += _told(f"{name}: pairs of faults, seed {seed}", found.all_runs(pairs))
    return 1 if broken else 0


def _call_plans(found: Laboratory, kinds: Sequence[FaultKind]) -> list[list[Fault]]:
    once = plans(found.steps, kinds, (1,), "once")
    longer = plans(found.steps, _those(TRIED_AGAIN, kinds), (ONE_INVOCATION,), "long")
    return [*once, *longer, *plans(found.steps, _those(LASTING, kinds), (FOR_EVER,), "ever")]


def _recording_plans(found: Laboratory, kinds: Sequence[FaultKind]) -> list[list[Fault]]:
    once, ever = (kinds, (1,)), (_those(LASTING, kinds), (FOR_EVER,))
    return [
        *recording_plans(found.failed_steps, *once, "note"),
        *recording_plans(found.failed_steps, *ever, "mute"),
        *unheard_plans(found.steps, found.failed_steps, *once, "late"),
    ]


def _those(some: Iterable[FaultKind], kinds: Sequence[FaultKind]) -> list[FaultKind]:
    return [kind for kind in some if kind in kinds]


def _told(name: str, runs: Sequence[Run]) -> int:
    """Print what became of runs; return how many broke a promise."""
    broken = [run for run in runs if run.violation]
    print(f"\n{name}, {len(runs)} runs, {len(broken)} violations\n\n{table(runs)}", flush=True)
    for run in broken:
        print(f"VIOLATION {run.violation}: {run.faults}", flush=True)
    return len(broken)


if __name__ == "__main__":
    given = sys.argv[1:]
    runs, seed, *names = [*given, *("500", "1")[len(given) :]]
    sys.exit(main(int(runs), int(seed), [FaultKind[name] for name in names] or list(FaultKind)))
