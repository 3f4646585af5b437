"""Render one video by one function, or in segments with two functions at a time."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale.processes import Lambda, Ran
from benchmarks.scale.s3_process import BUCKETS, S3Process
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job
from chalicelib.contract.objects import ObjectReference

# With these the wanted number of segments alone decides how many there are.
_EAGER = {"SEGMENT_WORK_S": "0.001", "RENDER_RATE": "10000"}


@dataclass(frozen=True)
class Run:
    """One measured rendering: its functions, wall seconds, and CPU seconds of the S3 process."""

    name: str
    functions: tuple[Ran, ...]
    wall_s: float
    storage_cpu_s: float
    # Load average of a minute at the end of the run.
    load: float

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds of all functions."""
        return sum(ran.cpu_s for ran in self.functions)

    @property
    def segments(self) -> list[Ran]:
        """Return the functions that rendered one segment each; empty where one function rendered all."""
        return [ran for ran in self.functions if "segment" in ran.facts]

    def critical_path_s(self, at_once: int) -> float:
        """Return the CPU seconds of the critical path with `at_once` segments rendered in parallel.

        Unlike wall time it does not grow with the load of the machine.
        """
        lanes_s = [0.0] * max(at_once, 1)
        for ran in self.segments:
            lanes_s[lanes_s.index(min(lanes_s))] += ran.cpu_s
        return max(lanes_s) + sum(ran.cpu_s for ran in self.functions if "segment" not in ran.facts)


@dataclass(frozen=True)
class Bench:
    """A video in S3, its faces document, and a folder for outputs."""

    s3: S3Process
    job: Job
    folder: Path

    def whole(self, name: str, processors: Sequence[int]) -> Run:
        """Render the video in one piece on `processors`."""
        return self._timed(name, lambda: [self._lambda(1).invoke("blur_faces", self._event(), processors)])

    def segmented(self, count: int, processors: Sequence[int]) -> Run:
        """Render the video in `count` segments, one function on each of `processors` at a time."""
        return self._timed(str(count), lambda: self._functions(count, processors))

    def output(self, name: str) -> Path:
        """Return the file for the output of the run `name`."""
        return self.folder / f"output-{name}.mp4"

    def _functions(self, count: int, processors: Sequence[int]) -> list[Ran]:
        functions = self._lambda(count)
        planned = functions.invoke("plan_segments", self._event(), processors[:1])
        numbers = planned.answer.get("segments", {}).get("numbers", [])
        if len(numbers) != count:
            raise ValueError(f"plan-segments made {len(numbers)} segments, not {count}")
        free: queue.Queue[int] = queue.Queue()
        for processor in processors:
            free.put(processor)

        def render(number: int) -> Ran:
            processor = free.get()
            try:
                task = {"job": planned.answer, "segment": number}
                return functions.invoke("blur_faces", task, [processor])
            finally:
                free.put(processor)

        with ThreadPoolExecutor(len(processors)) as pool:
            rendered = list(pool.map(render, numbers))
        return [planned, *rendered, functions.invoke("assemble_video", planned.answer, processors[:1])]

    def _timed(self, name: str, work: Any) -> Run:
        begin_s, used_s = time.monotonic(), self.s3.cpu_s()
        functions = tuple(work())
        wall_s, storage_cpu_s = time.monotonic() - begin_s, self.s3.cpu_s() - used_s
        self.s3.fetch(ObjectReference.from_json(functions[-1].answer["output"]), self.output(name))
        return Run(name, functions, wall_s, storage_cpu_s, os.getloadavg()[0])

    def _event(self) -> dict[str, Any]:
        return self.job.to_json()

    def _lambda(self, count: int) -> Lambda:
        passed_on = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        buckets = {"WORK_BUCKET": BUCKETS[1], "OUTPUT_BUCKET": BUCKETS[2]}
        cutting = {**_EAGER, "SEGMENTS_AT_ONCE": str(count)}
        return Lambda({**passed_on, **self.s3.environment, **buckets, **cutting}, self.folder)


def job_of(s3: S3Process, clip: Path, faces_of: Any) -> Job:
    """Upload a clip and its faces document; return the job that plan-segments gets."""
    source = s3.put(clip, "scale.mp4")
    faces = s3.write(faces_of(source.identity).to_json(), "faces.json")
    detection = DetectionProgress(DetectionStatus.SUCCEEDED, "job")
    return Job(source, detection, Execution("scale", "2026-11-24T00:00:00Z"), faces)
