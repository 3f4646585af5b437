"""Measure time and memory of the renderer against a plain transcode and the tutorial method.

`python -m benchmarks.render [--rounds N] [--long]`. Clips are synthetic. Every case runs in a process of its
own, all cases in turn, round after round; the ratio of two cases is taken within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Import nothing heavy here: on Linux a child's peak memory starts at its parent's.
_CRF, _PRESET, _THREADS = 20, "veryfast", 3
_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
_SECONDS = 10
_NOISE = 3.0
_SMART = ("smart 0 %", "smart 10 %", "smart 50 %", "smart 100 %")
_ROUNDS = 5
_LONG_S = (30, 300)


@dataclass(frozen=True)
class Measured:
    """Cost of one run: CPU seconds of all threads, wall seconds, peak memory in MB."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--long", action="store_true", help="also measure memory on clips of 30 s and 300 s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder))
        for name, size in _SIZES.items():
            bench.compare(f"{name}, {_SECONDS} s", (*size, _SECONDS, _NOISE), asked.rounds)
        if asked.long:
            bench.lengths()


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has_ffmpeg = shutil.which("ffmpeg") is not None
        if not self._has_ffmpeg:
            print("no ffmpeg command found: its rows are left out")

    def compare(self, title: str, scene: Sequence[float], rounds: int) -> None:
        source = self._clip(scene)
        cases = ["floor", "full", *self._ffmpeg_cases(), "followed", *_SMART, "tutorial"]
        runs: dict[str, list[Measured]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case in cases:
                runs[case].append(self._run(case, scene, source))
        _print_pairs(title, runs, rounds)

    def lengths(self) -> None:
        cases = ("full", *self._ffmpeg_cases(), "smart 10 %")
        print(f"\n{'peak memory, 720p':28s}" + "".join(f"{case:>12s}" for case in cases))
        for seconds in _LONG_S:
            # Without noise: otherwise making the clip of five minutes takes ten.
            scene = (*_SIZES["720p"], seconds, 0.0)
            source = self._clip(scene)
            peaks = [self._run(case, scene, source).peak_mb for case in cases]
            print(f"{seconds:4d} s{'':22s}" + "".join(f"{peak:9.0f} MB" for peak in peaks), flush=True)

    def _ffmpeg_cases(self) -> list[str]:
        return ["ffmpeg"] if self._has_ffmpeg else []

    def _clip(self, scene: Sequence[float]) -> Path:
        source = self._folder / f"{scene[1]}p-{scene[2]}s.mp4"
        self._run("make", scene, source)
        return source

    def _run(self, case: str, scene: Sequence[float], source: Path) -> Measured:
        target = self._folder / "out.mp4"
        if case == "ffmpeg":
            return _timed(_ffmpeg(source, target))
        asked = {"case": case, "scene": list(scene), "source": str(source), "target": str(target)}
        command = [sys.executable, "-m", "benchmarks.render.cases", json.dumps(asked)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(ran.stdout)
        return Measured(found["cpu_s"], found["wall_s"], found["peak_mb"])


def _ffmpeg(source: Path, target: Path) -> list[str]:
    quality = ["-preset", _PRESET, "-crf", str(_CRF), "-threads", str(_THREADS)]
    return ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-c:v", "libx264", *quality, str(target)]


def _timed(command: list[str]) -> Measured:
    begin_s = time.monotonic()
    with subprocess.Popen(command) as process:
        # The only call that reports the memory of one child. Popen's own wait then reports exit code 0.
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    peak_kb = used.ru_maxrss / (1 if sys.platform == "linux" else 1024)
    return Measured(used.ru_utime + used.ru_stime, time.monotonic() - begin_s, peak_kb / 1024)


def _print_pairs(title: str, runs: dict[str, list[Measured]], rounds: int) -> None:
    print(f"\n{title}, {rounds} rounds, medians")
    print(f"{'':14s}{'CPU s':>8s}{'wall s':>8s}{'peak MB':>9s}   against")
    for case, measured in runs.items():
        figures = [statistics.median(values) for values in zip(*map(_figures, measured), strict=True)]
        row = f"{case:14s}{figures[0]:8.2f}{figures[1]:8.2f}{figures[2]:9.0f}"
        print(
            row
            + "".join(
                _ratios(measured, other, runs[other]) for other in _BASES.get(case, ()) if other in runs
            )
        )
    sys.stdout.flush()


# The cases that each case is compared with.
_BASES = {
    "full": ("floor", "ffmpeg"),
    "tutorial": ("floor",),
    **dict.fromkeys(("followed", *_SMART), ("full",)),
}


def _ratios(measured: list[Measured], base: str, against: list[Measured]) -> str:
    pairs = [
        [one / other for one, other in zip(_figures(run), _figures(plain), strict=True)]
        for run, plain in zip(measured, against, strict=True)
    ]
    cpu, wall, peak = (statistics.median(values) for values in zip(*pairs, strict=True))
    return f"   {base}: CPU {cpu:.2f} wall {wall:.2f} peak {peak:.2f}"


def _figures(run: Measured) -> tuple[float, float, float]:
    return run.cpu_s, run.wall_s, run.peak_mb


if __name__ == "__main__":
    main()
