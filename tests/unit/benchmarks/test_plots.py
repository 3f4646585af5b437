"""The benchmarks' plots contain every method, keep labels apart, and mark where a limit ends a curve."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.leak.metrics import Score
from benchmarks.leak.plot import leak_figure
from benchmarks.plotting import save
from benchmarks.scale.model import SIZES, Model, Parameters
from benchmarks.scale.plot import scale_figure
from chalicelib.contract.prices import Prices


def score(leak: float, over_blur: float) -> Score:
    """Return a score whose leaks are all `leak`."""
    return Score(leak, leak, leak, leak, 0, leak, over_blur)


def test_methods_with_nearly_the_same_score_have_labels_apart() -> None:
    """A label moves to another side of its mark where a mark or a label is in its place."""
    figure = leak_figure("title", {"one": score(0.01, 1.0), "two": score(0.0101, 1.0)})

    labels = [text for text in figure.axes[0].texts if text.get_text() in ("one", "two")]
    areas = [label.get_window_extent() for label in labels]
    assert len(areas) == 2
    assert not any(area.overlaps(other) for area, other in combinations(areas, 2))


def test_a_method_without_leak_is_drawn_at_the_lower_border() -> None:
    """A logarithmic axis has no zero."""
    axes = leak_figure("title", {"none": score(0.0, 1.0)}).axes[0]

    lowest = [np.min(np.asarray(line.get_ydata(), float)) for line in axes.lines]
    assert lowest == [axes.get_ylim()[0]] * len(lowest)


def test_time_and_price_have_axes_for_each_frame_size() -> None:
    """Times are in the upper row, prices in the lower."""
    figure = scale_figure(Model(Parameters(), Prices.read()))

    assert len(figure.axes) == 2 * len(SIZES)
    assert [axes.get_title(loc="left") for axes in figure.axes[: len(SIZES)]] == list(SIZES)


def test_the_same_figure_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    """A drawing that did not change leaves no change in the repository."""
    files = [tmp_path / "pictures" / "one.png", tmp_path / "pictures" / "two.png"]

    save(Figure(), files[0])
    save(Figure(), files[1])

    assert files[0].read_bytes() == files[1].read_bytes()
