"""Run uploads with injected faults, and check the promise: exactly one output or one recorded failure.

`python -m tests.faults.runs [RUNS] [SEED] [KIND...]` is the soak. It injects every fault into every call that
can meet it: once, permanently, and for one whole invocation where clients retry; the recording of failures is
included. Then it runs RUNS random pairs of faults, with every event delivered twice. KINDs, like BAD_DIGEST,
limit the single faults; RUNS should be 0 then. The exit code is 1 if a promise was broken.
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

# No response reaches the state machine: only its status and the notification report (docs/promises.md).
CUT_OFF = {
    ("FAILED", "no manifest", ""): "FAILED, reported by its notification alone",
    ("FAILED", "SUCCEEDED", "the right video"): "FAILED, and delivered, without one response of Lambda",
}
# The failure cannot be written by any retry within hours.
UNRECORDED = ("FAILED", "no manifest", "")
DELIVERED = {"SUCCEEDED", "FAILED, and delivered, without one response of Lambda"}
LOST = "lost event"
PATIENCE_S = 400
TRIES_MAX = 8
SIDE_BY_SIDE = 8
GROUPS = (("preset", "ultrafast"), ("x264-params", "keyint=4:min-keyint=4:scenecut=0"))
CLIP = PortraitClip([(240 + step, 135) for step in range(12)], options=GROUPS)
SETTINGS = CloudSettings(
    detection="rekognition",
    retry_delays_s=(0.05, 0.05),
    zip_concurrency=SIDE_BY_SIDE,
    image_concurrency=SIDE_BY_SIDE,
    # A plan counts the calls of an upload: none may be refused because others call at the same time.
    rekognition=RekognitionSettings(open_jobs=SIDE_BY_SIDE, calls_per_s=1000),
    # Solid, because the noise of mosaic differs from upload to upload.
    renderer={"PRESET": "ultrafast", "ENCODER_THREADS": "1", "BLUR_STYLE": "solid"},
)
SEGMENTED = {"SEGMENT_WORK_S": "0.001", "SEGMENTS_AT_ONCE": "2"}


@dataclass(frozen=True)
class Run:
    """Result of one upload: its faults, how often they were injected, its ending, and a broken promise."""

    faults: tuple[Fault, ...]
    injected: int
    ending: str
    violation: str = ""


@dataclass(frozen=True)
class Laboratory:
    """A deployed system, a clip, a digest of its output without faults, and the calls of a run."""

    pipeline: Pipeline
    clip: bytes
    good: str
    steps: tuple[Step, ...]
    failed_steps: tuple[Step, ...] = ()
    deliveries: int = 1

    def run(self, name: str, faults: Sequence[Fault]) -> Run:
        """Upload the clip as `name` with the faults injected; return the result."""
        cloud = self.pipeline.cloud
        cloud.faults.watch(name, *faults)
        upload = self.pipeline.put(self.clip, f"{name}.mp4")
        status = self._ending(upload)
        injected = cloud.faults.hits(name)
        if status not in ENDED:
            return Run(tuple(faults), injected, status, "" if status == LOST else "still running")
        outcome = self.pipeline.wait(upload)
        seen = picture(outcome.output) if outcome.output else ""
        recorded = outcome.manifest.get("status", "no manifest")
        shown = "the right video" if seen == self.good else seen and "another video"
        if is_cut_off(faults) and (ending := CUT_OFF.get((status, recorded, shown))):
            return Run(tuple(faults), injected, ending)
        if is_unrecordable(faults) and (status, recorded, shown) == UNRECORDED:
            return Run(tuple(faults), injected, CUT_OFF[UNRECORDED])
        return Run(tuple(faults), injected, status, _violation(status, recorded, seen, self.good))

    def _ending(self, upload: Upload) -> str:
        """Return the status of the execution once it has ended, or LOST if its event was lost."""
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
        """Return whether the event of `upload` was lost in each of its deliveries."""
        key = upload.source.key.encode()
        lost = sum(key in event.payload for event in self.pipeline.cloud.lost_events)
        return lost >= self.deliveries

    def all_runs(self, plans: Sequence[Sequence[Fault]]) -> list[Run]:
        """Run every plan, some in parallel; check failed uploads again once nothing runs any more."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            ended = pool.map(lambda plan: self.run(plan[0].marker, plan), plans)
            runs = list(_counted(ended, len(plans)))
        self.pipeline.cloud.settle()
        return [self._checked_again(run) for run in runs]

    def _checked_again(self, run: Run) -> Run:
        """Return the run, with a violation if an output appeared after its failure."""
        if run.violation or run.ending in DELIVERED or not self._outputs(run.faults[0].marker):
            return run
        return replace(run, violation=f"an output came after {run.ending}")

    def _outputs(self, marker: str) -> int:
        cloud = self.pipeline.cloud
        found = cloud.client("s3").list_objects_v2(Bucket=cloud.buckets.output, Prefix=f"{marker}.mp4")
        return sum(entry["Key"] == f"{marker}.mp4" for entry in found.get("Contents", []))


def _counted(runs: Iterable[Run], total: int) -> Iterator[Run]:
    """Yield runs; print progress to stderr after every 50."""
    broken = 0
    for count, run in enumerate(runs, 1):
        broken += bool(run.violation)
        if count % 50 == 0:
            print(f"{count} of {total} runs, {broken} violations", file=sys.stderr, flush=True)
        yield run


@contextmanager
def laboratory(renderer: dict[str, str], deliveries: int = 1) -> Iterator[Laboratory]:
    """Deploy a system, and record the calls of a run without faults."""
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
        yield Laboratory(pipeline, clip, picture(outcome.output), steps, failed_steps, deliveries)


def _failed_steps(pipeline: Pipeline, clip: bytes, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the calls of a run whose job Rekognition fails."""
    faults = pipeline.cloud.faults
    asking = next(step for step in steps if step.can_meet(FaultKind.JOB_FAILED))
    faults.watch("badjob", Fault("badjob", asking, FaultKind.JOB_FAILED, FOR_EVER))
    outcome = pipeline.blur(clip, "badjob.mp4")
    assert outcome.status == "FAILED", outcome
    return tuple(dict.fromkeys(faults.steps("badjob")))


def picture(path: Path) -> str:
    """Return a digest of a video's decoded frames."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()


def table(runs: Sequence[Run]) -> str:
    """Return a Markdown table of the results, by the kind of the last fault."""
    lines = ["| fault | runs | injected | endings | violations |", "|---|---|---|---|---|"]
    for kind in FaultKind:
        own = [run for run in runs if run.faults[-1].kind is kind]
        if not own:
            continue
        counts = sorted(Counter(run.ending for run in own).items())
        endings = ", ".join(f"{name} {count}" for name, count in counts)
        injected, broken = sum(run.injected > 0 for run in own), sum(bool(run.violation) for run in own)
        lines.append(f"| {kind.value} | {len(own)} | {injected} | {endings} | {broken} |")
    return "\n".join(lines)


def _violation(status: str, recorded: str, seen: str, good: str) -> str:
    """Return which part of the promise is broken, if one is."""
    if (status, recorded) == ("SUCCEEDED", "SUCCEEDED"):
        return "" if seen == good else "the output shows something else"
    if seen and seen != good:
        return "an output that shows something else"
    if seen:
        return f"an output, and {status} with {recorded}"
    return "" if (status, recorded) == ("FAILED", "FAILED") else f"no output, and {status} with {recorded}"


def main(runs: int, seed: int, kinds: Sequence[FaultKind]) -> int:
    """Run the soak; print its tables and violations; return the exit code."""
    broken = 0
    for name, renderer in (("in one piece", {}), ("in segments", SEGMENTED)):
        with laboratory(renderer) as found:
            broken += _printed(f"{name}: {len(found.steps)} calls", found.all_runs(_call_plans(found, kinds)))
            recording = _recording_plans(found, kinds)
            broken += _printed(f"{name}: the recording of failures", found.all_runs(recording))
        if runs:
            with laboratory(renderer, deliveries=2) as found:
                pairs = random_plans(found.steps, runs // 2, seed)
                broken += _printed(f"{name}: pairs of faults, seed {seed}", found.all_runs(pairs))
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


def _printed(name: str, runs: Sequence[Run]) -> int:
    """Print the results of runs; return the number of broken promises."""
    broken = [run for run in runs if run.violation]
    print(f"\n{name}, {len(runs)} runs, {len(broken)} violations\n\n{table(runs)}", flush=True)
    for run in broken:
        print(f"VIOLATION {run.violation}: {run.faults}", flush=True)
    return len(broken)


if __name__ == "__main__":
    given = sys.argv[1:]
    runs, seed, *names = [*given, *("500", "1")[len(given) :]]
    sys.exit(main(int(runs), int(seed), [FaultKind[name] for name in names] or list(FaultKind)))
