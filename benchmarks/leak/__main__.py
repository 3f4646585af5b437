"""Measure which faces stay uncovered between sparse detections, method by method.

`python -m benchmarks.leak [--rate 2|5|all] [--misses 0.03] [--kinds slow,fast] [--methods tutorial,nearest]`.
Clips with known face boxes are drawn once and kept in `out/leak`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import cv2

from benchmarks.leak.clip_list import CLIPS, KINDS
from benchmarks.leak.methods import METHODS
from benchmarks.leak.plot import leak_figure
from benchmarks.leak.real_videos import real_sources, real_subject
from benchmarks.leak.runs import Outcome, Subject, run
from benchmarks.leak.scenes import Clip
from benchmarks.leak.synthesis import clip_path, make_clip
from benchmarks.leak.tables import by_method, clip_tables, table, total
from benchmarks.plotting import save

_FOLDER = Path("out", "leak")
_INTERVALS_MS = {"2": 500, "5": 200, "all": 0}
_NAMES = {"2": "2 samples a second", "5": "5 samples a second", "all": "every frame sampled"}
_MISSES = (0.03, 0.10)
_JOBS = 2


@dataclass(frozen=True)
class _Asked:
    """Options of the command line."""

    rates: Sequence[str]
    misses: Sequence[float]
    methods: Sequence[str]
    kinds: Sequence[str]
    folder: Path
    jobs: int
    per_clip: bool
    picture: Path | None
    real: Path | None


def main() -> None:
    """Measure and print the tables."""
    asked = _asked()
    with ProcessPoolExecutor(asked.jobs, initializer=partial(cv2.setNumThreads, 1)) as pool:
        subjects = _subjects(asked, pool)
        pictures = [asked.picture] if asked.picture else []
        for rate, misses in product(asked.rates, asked.misses):
            measure = partial(run, interval_ms=_INTERVALS_MS[rate], misses=misses, methods=asked.methods)
            outcomes = [outcome for ones in pool.map(measure, subjects) for outcome in ones]
            title = f"{_NAMES[rate]}, {100 * misses:g} % missed, {len(subjects)} clips"
            _print(title, outcomes, asked)
            if pictures:
                scores = {name: total(ones) for name, ones in by_method(outcomes).items()}
                save(leak_figure(title, scores), pictures.pop())


def _subjects(asked: _Asked, pool: Executor) -> list[Subject]:
    if asked.real:
        found = pool.map(partial(real_subject, asked.folder), real_sources(asked.real))
        return [subject for subject in found if subject is not None]
    clips = [clip for clip in CLIPS if clip.kind in asked.kinds]
    return list(pool.map(partial(_drawn_subject, asked.folder), clips))


def _drawn_subject(folder: Path, clip: Clip) -> Subject:
    truth = make_clip(folder, clip)
    source = clip_path(folder, clip)
    return Subject(source, truth, source.parent)


def _print(title: str, outcomes: Sequence[Outcome], asked: _Asked) -> None:
    print(f"\n{title}\n{table(outcomes)}", flush=True)
    if asked.per_clip:
        print(clip_tables(outcomes), flush=True)


def _asked() -> _Asked:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rate", action="append", choices=list(_INTERVALS_MS), help="all three, unless given"
    )
    parser.add_argument(
        "--misses",
        action="append",
        type=float,
        help="share of faces that a sample misses; 0.03 and 0.1, unless given",
    )
    parser.add_argument("--methods", default=",".join(METHODS), help="names, comma-separated")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of motion, comma-separated")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="cache of clips and detector output")
    parser.add_argument("--jobs", type=int, default=_JOBS)
    parser.add_argument("--per-clip", action="store_true", help="print a table for every clip too")
    parser.add_argument("--picture", type=Path, help="PNG file for a plot of the first table")
    parser.add_argument("--real", type=Path, help="folder of videos to use instead")
    given = parser.parse_args()
    return _Asked(
        rates=given.rate or list(_INTERVALS_MS),
        misses=given.misses or _MISSES,
        methods=_known(parser, given.methods.split(","), list(METHODS)),
        kinds=_known(parser, given.kinds.split(","), KINDS),
        folder=given.folder,
        jobs=given.jobs,
        per_clip=given.per_clip,
        picture=given.picture,
        real=given.real,
    )


def _known(parser: argparse.ArgumentParser, names: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is unknown; choose from {', '.join(known)}")
    return names


if __name__ == "__main__":
    main()
