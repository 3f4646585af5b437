"""Parameters and results of a storm, and lower bounds on its duration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.storm.endings import Ending
from benchmarks.storm.traffic import Calls, FunctionTime
from benchmarks.storm.watch import Machine
from local_cloud.settings import RekognitionSettings


@dataclass(frozen=True)
class Plan:
    """Number of uploads at once, and the account's limits on concurrent jobs and invocations.

    With `pages`, each upload has as many pages of faces; `calls` is the account's quota of GetFaceDetection
    calls a second.
    """

    uploads: int
    jobs: int
    lambdas: int
    pages: int = 0
    calls: float = RekognitionSettings.calls_per_s


@dataclass(frozen=True)
class Result:
    """Results of a storm; seconds count from the first upload."""

    plan: Plan
    endings: Sequence[Ending]
    ended_after_s: Sequence[float]
    lost_events: int
    calls: Mapping[tuple[str, str], Calls]
    functions: Mapping[str, FunctionTime]
    detection_s: float
    machine: Machine

    @property
    def violations(self) -> list[str]:
        """Return the key of each upload that breaks the promise, with the violation."""
        return [f"{ending.key}: {ending.violation}" for ending in self.endings if ending.violation]

    @property
    def wall_s(self) -> float:
        """Return the seconds until the last execution ended."""
        return self.ended_after_s[-1] if self.ended_after_s else 0.0

    @property
    def bounds_s(self) -> dict[str, float]:
        """Return lower bounds on the duration in seconds, by limiting resource."""
        rekognition, uploads = RekognitionSettings(), self.plan.uploads
        functions_s = sum(function.seconds for function in self.functions.values())
        cpu_s = self.machine.cloud_cpu_s + self.machine.functions_cpu_s
        workers = min(rekognition.workers, self.plan.jobs)
        visible_s = max(self.detection_s, rekognition.in_progress_at_least_s)
        return {
            "all functions' seconds / invocations at once": functions_s / self.plan.lambdas,
            "uploads x detection alone / the stand-in's workers": uploads * self.detection_s / workers,
            "uploads x pages / calls a second": uploads * max(1, self.plan.pages) / self.plan.calls,
            "uploads x shortest job / jobs at once": uploads * visible_s / self.plan.jobs,
            "CPU seconds / processors": cpu_s / (os.cpu_count() or 1),
            "the local cloud's own CPU seconds, one interpreter": self.machine.cloud_cpu_s,
        }
