"""Matplotlib figures of the benchmarks in one style, written as PNG files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, GREY, GRID = "#202428", "#687078", "#dce0e4"
COLOURS = ("#c84646", "#e68c28", "#968214", "#1e5a96", "#148c6e", "#8c3c8c", "#5a5a5a")
MARK_SIZE = 9.0  # Diameter of a dot or a ring, in points.
_DPI = 100
_BORDER = 0.12  # Around axes and legends, in inches.


def new_figure(width_px: int, height_px: int) -> Figure:
    """Return an empty figure of that size, which lays out its axes and legends when it is drawn."""
    layout = ConstrainedLayoutEngine(w_pad=_BORDER, h_pad=_BORDER)
    return Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI, layout=layout)


def style_axes(axes: Axes, x_ticks: Iterable[float], y_ticks: Iterable[float]) -> None:
    """Draw a grid line and a label at the given ticks only, without a frame around the axes."""
    axes.set_xticks(list(x_ticks))
    axes.set_yticks(list(y_ticks))
    axes.minorticks_off()
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=8, labelcolor=GREY, labelsize=9)


def ring(axes: Axes, x: float, y: float, colour: str) -> None:
    """Draw a ring with a white centre around (x, y), in front of lines and over the border of the axes."""
    (mark,) = axes.plot(x, y, "o", color="white", markersize=MARK_SIZE, zorder=3, clip_on=False)
    mark.set(markeredgecolor=colour, markeredgewidth=2.0)


def save(figure: Figure, path: Path) -> None:
    """Write `figure` to the PNG file `path`; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={"Software": None})
