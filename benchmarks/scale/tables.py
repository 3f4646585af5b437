"""Print the scale benchmark's measurements as a Markdown table with a column for each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.scale.runs import Run

_PERCENT = 100
_MEGA = 1e6


def measured_table(runs: Sequence[Run], found: Sequence[dict[str, Any]], size_bytes: int) -> str:
    """Return the table; the first run is the base, runs without a comparison of outputs are last."""
    base = runs[0]
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("by the clock, s", lambda run: f"{run.wall_s:.0f}"),
        ("CPU, s", lambda run: f"{run.cpu_s:.1f}"),
        ("CPU, of one function's", lambda run: f"{run.cpu_s / base.cpu_s:.3f}"),
        ("of it plan-segments and assemble-video, s", _beside),
        ("a segment more than its share of one function's, s", lambda run: _more(run, base)),
        ("CPU s in a row, two segments at a time", lambda run: f"{run.critical_path_s(2):.0f}"),
        ("CPU s in a row, all segments at once", lambda run: f"{run.critical_path_s(len(run.segments)):.0f}"),
        ("S3 stand-in's own CPU, s", lambda run: f"{run.storage_cpu_s:.0f}"),
        ("read by plan-segments, of the file", lambda run: _planned(run, size_bytes)),
        ("read by all segments, of the file", lambda run: _read(run, size_bytes)),
        ("peak memory of a function, MB", lambda run: f"{max(ran.peak_mb for ran in run.functions):.0f}"),
        (
            "scratch files of a function, MB",
            lambda run: f"{max(ran.scratch_mb for ran in run.functions):.0f}",
        ),
        ("load of the machine at the end", lambda run: f"{run.load:.1f}"),
    ]
    lines = [_row("", [_title(run) for run in runs]), _row("---", ["---:"] * len(runs))]
    lines += [_row(name, [figure(run) for run in runs]) for name, figure in rows]
    return "\n".join([*lines, *_found_rows(found, len(runs))])


def _found_rows(found: Sequence[dict[str, Any]], columns: int) -> list[str]:
    base = found[0]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("PSNR of luma, dB", lambda one: f"{one['psnr_db']:.3f}"),
        ("PSNR, frames far from faces, dB", lambda one: f"{one['psnr_without_faces_db']:.3f}"),
        (
            "the same against one function's, dB",
            lambda one: f"{one['psnr_without_faces_db'] - base['psnr_without_faces_db']:+.3f}",
        ),
        ("most that a 16x16 block differs, steps of luma", lambda one: f"{one['block_max']:.0f}"),
        ("all pts as the source's", lambda _: "yes"),
        ("all sound packets as the source's", lambda one: "yes" if one["sound_equal"] else "no"),
        ("decoder's warnings", lambda one: str(one["warnings"])),
    ]
    missing = [""] * (columns - len(found))
    return [_row(name, [*(figure(one) for one in found), *missing]) for name, figure in rows]


def _row(name: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([name, *cells]) + " |"


def _title(run: Run) -> str:
    return f"{len(run.segments)} segments" if run.segments else run.name


def _more(run: Run, base: Run) -> str:
    rendered_s = sum(ran.cpu_s for ran in run.segments)
    return f"{(rendered_s - base.cpu_s) / len(run.segments):.1f}" if run.segments else ""


def _beside(run: Run) -> str:
    beside = [ran for ran in run.functions if "segment" not in ran.facts]
    return " + ".join(f"{ran.cpu_s:.1f}" for ran in beside) if run.segments else ""


def _planned(run: Run, size_bytes: int) -> str:
    if not run.segments:
        return ""
    return f"{_PERCENT * run.functions[0].facts['bytes'] / size_bytes:.1f} %"


def _read(run: Run, size_bytes: int) -> str:
    total = sum(ran.facts["bytes_read"] for ran in run.segments)
    return f"{_PERCENT * total / size_bytes:.1f} %" if run.segments else "100 %"
