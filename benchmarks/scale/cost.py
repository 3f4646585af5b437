"""Print modelled time and price on AWS by length and frame size of the video, as a table and a plot.

`python -m benchmarks.scale.cost [--picture docs/img/scale.png]`. Nothing was measured on AWS.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.scale.model import LENGTHS, SIZES, Estimate, Model, Parameters, Video, duration
from chalicelib.contract.prices import Prices

_MINUTE_S, _HOUR_S = 60.0, 3600.0
_HEADING = (
    "| | Rekognition | | one function | | segments | | | AWS's sample | |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    "| | time | $ | time | $ | number | time | $ | time | $ |",
)


def main() -> None:
    """Print the table; draw the plot into the PNG file that `--picture` names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    model = Model(Parameters(), Prices.read())
    print(table(model))
    if asked.picture:
        from benchmarks.plotting import save  # noqa: PLC0415 the table needs no Matplotlib
        from benchmarks.scale.plot import scale_figure  # noqa: PLC0415

        save(scale_figure(model), asked.picture)


def table(model: Model) -> str:
    """Return a Markdown table, a row for each size and length."""
    rows = [
        _row(f"{size}, {length}", model, Video(*shape, seconds))
        for size, shape in SIZES.items()
        for length, seconds in LENGTHS.items()
    ]
    return "\n".join([*_HEADING, *rows])


def _row(name: str, model: Model, video: Video) -> str:
    detection, ours = model.rekognition(video), model.segmented(video)
    cells = [duration(detection.wall_s), f"{detection.usd:.2f}", *_cells(model.single(video))]
    cells += [str(ours.functions), *_cells(ours), *_cells(model.sample(video))]
    return f"| {name} | {' | '.join(cells)} |"


def _cells(estimate: Estimate) -> list[str]:
    if not estimate.finishes:
        return [f"no: {duration(estimate.longest_s)}", "-"]
    return [duration(estimate.wall_s), f"{estimate.usd:.3f}"]


if __name__ == "__main__":
    main()
