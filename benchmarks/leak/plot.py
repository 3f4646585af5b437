"""Plot of leak against over-blur, with two marks for each method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from benchmarks.leak.metrics import Score
from benchmarks.plotting import COLOURS, GREY, INK, MARK_SIZE, new_figure, ring, style_axes

# Percent; a smaller leak is drawn at the lower border, as a logarithmic axis has no zero.
_LEAK_TICKS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_STEPS_MAX = 8
# Distance from a mark to its label in points, and which end of the label is there; the best first.
_LABEL_PLACES: tuple[tuple[tuple[int, int], Literal["left", "right"]], ...] = (
    ((10, 0), "left"),
    ((-10, 0), "right"),
    ((10, 12), "left"),
    ((-10, 12), "right"),
)


def leak_figure(title: str, scores: Mapping[str, Score]) -> Figure:
    """Return a figure of `scores` by method: over-blur to the right, leak upwards on a logarithmic axis.

    A dot shows the leak at 50 %, a ring above it the leak at 95 %.
    """
    figure = new_figure(1000, 640)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", y=1.05, fontsize=14, color=INK)
    legend = "dot: less than 50 % of the face covered; ring: less than 95 %"
    axes.text(0, 1.02, f"Share of face-frames that leak ({legend})", transform=axes.transAxes, color=GREY)
    axes.set_xlabel("Over-blur: area covered outside faces, in areas of the faces", loc="right", color=GREY)
    right = max(1.0, math.ceil(max((score.over_blur for score in scores.values()), default=0.0) * 2.2) / 2)
    step = 0.5 if right <= _STEPS_MAX * 0.5 else 1.0
    axes.set(xlim=(0, right), yscale="log", ylim=(_LEAK_TICKS[0], _LEAK_TICKS[-1]))
    style_axes(axes, [number * step for number in range(int(right / step) + 1)], _LEAK_TICKS)
    axes.yaxis.set_major_formatter(lambda leak, _: f"{leak:g} %")
    for score, colour in zip(scores.values(), _colours(scores), strict=True):
        dot, upper = _percent(score.leak_50), _percent(score.leak_95)
        axes.plot([score.over_blur] * 2, [dot, upper], color=colour, linewidth=2)
        ring(axes, score.over_blur, upper, colour)
        axes.plot(score.over_blur, dot, "o", color=colour, markersize=MARK_SIZE + 2, zorder=4, clip_on=False)
    # The layout decides where the axes are, and so which labels overlap.
    figure.draw_without_rendering()
    _add_labels(axes, scores)
    return figure


def _add_labels(axes: Axes, scores: Mapping[str, Score]) -> None:
    """Write each method's name beside its dot, at the first place free of marks and names, else the last."""
    occupied = []
    for score in scores.values():
        corners = [(score.over_blur, _percent(leak)) for leak in (score.leak_50, score.leak_95)]
        occupied.append(Bbox(axes.transData.transform(corners)).padded(MARK_SIZE))
    for (name, score), colour in zip(scores.items(), _colours(scores), strict=True):
        dot = score.over_blur, _percent(score.leak_50)
        label = axes.annotate(name, dot, xytext=(0, 0), textcoords="offset points", va="center", color=colour)
        for offset, align in _LABEL_PLACES:
            label.xyann = offset
            label.set_horizontalalignment(align)
            area = label.get_window_extent()
            if not any(area.overlaps(other) for other in occupied):
                break
        occupied.append(area)


def _colours(scores: Mapping[str, Score]) -> Iterable[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(len(scores))]


def _percent(share: float) -> float:
    return max(100 * share, _LEAK_TICKS[0])
