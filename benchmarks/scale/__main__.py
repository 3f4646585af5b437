"""Compare segments with one function on the same video: time, CPU, memory, reads and picture quality.

`python -m benchmarks.scale [--seconds 720] [--rate 12] [--segments 2,4,8]`. Linux only. Every function is a
process of its own on one processor, like a Lambda function of 1,769 MB; two run at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.scale.ground_truth import faces_document
from benchmarks.scale.runs import Bench, Run, job_of
from benchmarks.scale.s3_process import storage
from benchmarks.scale.tables import measured_table

FOLDER = Path("out/scale")
_AT_A_TIME = 2
_FACTS = ("segment", "bytes", "bytes_read")
_WHOLE, _SPREAD = "one function", "one, both cores"


def main() -> None:
    """Measure one function and each number of segments in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=720)
    parser.add_argument("--rate", type=int, default=12, help="frames a second")
    parser.add_argument("--crf", type=int, default=21, help="quality of the source: lower is a larger file")
    parser.add_argument("--segments", default="2,4,8")
    asked = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))[:_AT_A_TIME]
    clip = _clip(asked.seconds, asked.rate, asked.crf)
    faces_of = partial(faces_document, seconds=asked.seconds, frame_rate=asked.rate)
    with tempfile.TemporaryDirectory() as folder, storage() as s3:
        bench = Bench(s3, job_of(s3, clip, faces_of), Path(folder))
        runs = [_printed(bench.whole(_WHOLE, processors[:1]))]
        for count in map(int, asked.segments.split(",")):
            runs += [_printed(bench.segmented(count, processors))]
        found = _compared(clip, faces_of("0" * 64).to_json(), bench, runs)
        # Not compared: its output equals that of one core.
        runs.append(_printed(bench.whole(_SPREAD, processors)))
    frames = asked.seconds * asked.rate
    print(f"\n{clip.stat().st_size / 1e6:.0f} MB, 1280x720, {asked.seconds} s, {frames} frames\n")
    (FOLDER / "last.json").write_text(json.dumps({"runs": [asdict(run) for run in runs], "found": found}))
    print(measured_table(runs, found, clip.stat().st_size))


def _clip(*asked: int) -> Path:
    """Return the clip of the given seconds, frames a second and crf; make it unless it exists."""
    numbers = [str(number) for number in asked]
    path = FOLDER / f"clip-{'-'.join(numbers)}.mp4"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "benchmarks.scale.clip", str(path), *numbers], check=True)
    return path


def _printed(run: Run) -> Run:
    """Print the figures of a run and return it: the whole benchmark takes a quarter of an hour."""
    print(f"{run.name:16s} wall {run.wall_s:6.1f} s, CPU {run.cpu_s:6.1f} s, load {run.load:.1f}", flush=True)
    for ran in run.functions:
        facts = {name: ran.facts[name] for name in _FACTS if name in ran.facts}
        print(
            f"  {ran.function:14s} wall {ran.wall_s:6.1f} s, CPU {ran.cpu_s:6.1f} s,"
            f" peak {ran.peak_mb:4.0f} MB, /tmp {ran.scratch_mb:4.0f} MB {facts}",
            flush=True,
        )
    return run


def _compared(clip: Path, faces: str, bench: Bench, runs: list[Run]) -> list[dict[str, Any]]:
    document = bench.folder / "faces.json"
    document.write_text(faces)
    files = [clip, document, *(bench.output(run.name) for run in runs)]
    command = [sys.executable, "-m", "benchmarks.scale.compare", *map(str, files)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    main()
