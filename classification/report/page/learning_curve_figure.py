"""The plot of a learning curve: the metric against the rows of train, with intervals and where the curve leads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from classification.report.number_format import is_number
from classification.report.page.figures import BLUE, MUTED, new_figure
from classification.report.page.plot_axes import plain_axis, plain_tick
from classification.report.run_words import words_of

LEAST_GAP = 0.11  # of the width of the axis, between the numbers on it
SMOOTH = 60  # points of the continued curve


def draw_learning_curve(curve: Mapping[str, Any]) -> Figure:
    """The points with their intervals as a band; the power law and its interval at twice the rows, if it is known.

    Args:
        curve: the content of learning_curve.json.
    """
    words, metric, points = words_of(curve["metric"]), curve["metric"], curve["points"]
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    rows = [point["rows"] for point in points]
    limited = [point for point in points if is_number(point["low"]) and is_number(point["high"])]
    if limited:
        lows, highs = ([point[side] for point in limited] for side in ("low", "high"))
        band = [point["rows"] for point in limited]
        axes.fill_between(band, lows, highs, color=BLUE, alpha=0.16, linewidth=0, label="95% interval")
    axes.plot(rows, [point[metric] for point in points], color=BLUE, marker="o", markersize=6, label="validation")
    further = curve["extrapolation"]
    if "absent" not in further:
        draw_further(axes, further, rows[0], lower_is_better=words.lower_is_better)
    axes.set_xscale("log")
    axes.margins(x=0.06, y=0.1)
    axes.xaxis.set_major_locator(FixedLocator(apart([*rows, *([] if "absent" in further else [further["rows"]])])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_tick(value)))
    axes.set_xlabel("training rows")
    axes.set_title(words.name, pad=42 if "absent" not in further else 26)
    if words.unit:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    else:
        plain_axis(axes.yaxis)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=2, handlelength=1.4, columnspacing=1.2)
    return figure


def draw_further(axes: Axes, further: Mapping[str, Any], first: int, *, lower_is_better: bool) -> None:
    """The fitted law from the first point on, and the interval at its end."""
    sizes = np.geomspace(first, further["rows"], SMOOTH)
    errors = further["a"] + further["b"] * (sizes / further["scale"]) ** -further["c"]
    axes.plot(
        sizes, errors if lower_is_better else 1 - errors, color=MUTED, linewidth=1.4, linestyle=(0, (4, 3)),
        label="power law",
    )  # fmt: skip
    value = further["value"]
    axes.errorbar(
        [further["rows"]], [value], yerr=[[value - further["low"]], [further["high"] - value]], color=MUTED,
        marker="D", markersize=6, capsize=4, linewidth=1.4, linestyle="none", label="if it goes on",
    )  # fmt: skip


def apart(rows: Sequence[int]) -> list[int]:
    """The numbers that have room on a logarithmic axis; the last one always has."""
    width = math.log(rows[-1] / rows[0]) or 1.0
    kept = [rows[-1]]
    for size in reversed(rows[:-1]):
        if math.log(kept[-1] / size) / width >= LEAST_GAP:
            kept.append(size)
    return kept[::-1]
