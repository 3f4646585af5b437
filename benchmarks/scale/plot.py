"""Plot of time and price by the length of the video, with a column of axes for each frame size."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.plotting import COLOURS, GREY, INK, new_figure, ring, style_axes
from benchmarks.scale.model import LENGTHS, LIMIT_S, SIZES, Estimate, Model, Video, duration

_STEPS = 60
_TIMES_S = (10.0, 60.0, 600.0, 3600.0, 21_600.0)
_DOLLARS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_CURVES: Mapping[str, tuple[str, Callable[[Model, Video], Estimate]]] = {
    "Rekognition": (COLOURS[6], Model.rekognition),
    "AWS's sample": (COLOURS[1], Model.sample),
    "one function": (COLOURS[0], Model.single),
    "segments": (COLOURS[3], Model.segmented),
}


def scale_figure(model: Model) -> Figure:
    """Return a figure of the model: times in the upper row, prices in the lower, on logarithmic axes."""
    figure = new_figure(1000, 700)
    figure.legend(
        handles=[
            Line2D([], [], color=colour, linewidth=3, label=name) for name, (colour, _) in _CURVES.items()
        ],
        title="Time and price on AWS after face detection, by length of the video: a model",
        title_fontsize=14,
        alignment="left",
        loc="outside upper left",
        ncols=len(_CURVES),
        frameon=False,
    )
    foot = f"length of the video; a ring: a longer video would run a function over {LIMIT_S // 60} minutes"
    figure.supxlabel(foot, x=0.99, ha="right", fontsize=9, color=GREY)
    rows = figure.subplots(2, len(SIZES), sharex=True, sharey="row")
    for column, (size, shape) in enumerate(SIZES.items()):
        times, prices = rows[0][column], rows[1][column]
        times.set_title(size, loc="left", fontsize=10, color=INK)
        _prepare(times, _TIMES_S, duration)
        _prepare(prices, _DOLLARS, lambda dollars: f"$ {dollars:g}")
        for colour, estimate in _CURVES.values():
            estimates = {seconds: estimate(model, Video(*shape, seconds)) for seconds in _lengths_s()}
            finished = {seconds: found for seconds, found in estimates.items() if found.finishes}
            _draw_curve(times, {seconds: found.wall_s for seconds, found in finished.items()}, colour)
            _draw_curve(prices, {seconds: found.usd for seconds, found in finished.items()}, colour)
    return figure


def _prepare(axes: Axes, marks: tuple[float, ...], name_of: Callable[[float], str]) -> None:
    """Give logarithmic scales to `axes`: lengths in seconds to the right, values within `marks` upwards."""
    axes.set(xscale="log", yscale="log", xlim=(_lengths_s()[0], _lengths_s()[-1]), ylim=(marks[0], marks[-1]))
    style_axes(axes, LENGTHS.values(), marks)
    axes.set_xticklabels(list(LENGTHS))
    axes.yaxis.set_major_formatter(lambda mark, _: name_of(mark))
    axes.tick_params(labelbottom=True)


def _draw_curve(axes: Axes, values: Mapping[float, float], colour: str) -> None:
    """Draw a line through values by length in seconds, and a ring where it ends before the longest video."""
    axes.plot(list(values), list(values.values()), color=colour, linewidth=3, solid_capstyle="round")
    if values and max(values) < max(LENGTHS.values()):
        ring(axes, max(values), values[max(values)], colour)


def _lengths_s() -> list[float]:
    """Return lengths in seconds, evenly on a logarithmic scale."""
    first, last = min(LENGTHS.values()), max(LENGTHS.values())
    return [first * (last / first) ** (step / _STEPS) for step in range(_STEPS + 1)]
