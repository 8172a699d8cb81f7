"""The plots of confidence: is it true, how is it spread, and what do unsure answers cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classification.evaluation.probability_quality import BINS
from classification.report.number_format import percent
from classification.report.page.confidence_values import Bin, Coverage, Histogram
from classification.report.page.figures import BLUE, EDGE, INK, MUTED, ORANGE, new_figure
from classification.report.page.plot_axes import SMALL, count_axis, percent_axes, reference_line

TEXT_WIDTH = 0.42  # of the words beside a point, in shares of the axis
FEW_ANSWERS = 10  # below, the interval of a point is most of the plot


def draw_reliability(bins: Sequence[Bin], *, noun: str) -> Figure:
    """Confidence against the share that is right with its interval, and below how many answers each point is for.

    Points of few answers are small, without an interval and apart from the line.
    """
    figure = new_figure(height=4.0)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    reference_line(axes, (0, 1), (0, 1))
    full = [one for one in bins if one.right.total >= FEW_ANSWERS]
    axes.vlines(
        [one.confidence for one in full],
        [one.right.low for one in full],
        [one.right.high for one in full],
        color=EDGE,
        linewidth=1.5,
    )
    few = [one for one in bins if one.right.total < FEW_ANSWERS]
    for chosen, style, size in ((full, "-o", 5.5), (few, "o", 3)):
        if chosen:  # an empty line without clipping would upset the layout
            xy = [one.confidence for one in chosen], [one.right.value or 0.0 for one in chosen]
            axes.plot(*xy, style, color=BLUE, markersize=size, clip_on=False, zorder=5)
    label_sides(axes, bins)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share right" if noun == "rows" else "share that is true")
    centres = [(one.low + one.high) / 2 for one in bins]
    counts.bar(centres, [one.right.total for one in bins], width=0.85 / BINS, color=BLUE, alpha=0.55)
    counts.set(ylabel=noun, xlabel="probability that the model gives")
    count_axis(counts.yaxis, 2)
    percent_axes(axes, x=0.2, y=0.2)
    percent_axes(counts, x=0.2)
    return figure


def label_sides(axes: Axes, bins: Sequence[Bin]) -> None:
    """Words above and below the dashed line, where no point and no interval is in their way."""
    ranges = [(one.confidence, *range_of(one)) for one in bins]
    if not any(confidence < 0.55 and high > 0.85 for confidence, _, high in ranges):
        axes.text(0.03, 0.97, "more often right than it says", color=MUTED, fontsize=SMALL, va="top")
    if not any(confidence > 0.45 and low < 0.14 for confidence, low, _ in ranges):
        axes.text(0.98, 0.03, "less often right than it says", color=MUTED, fontsize=SMALL, ha="right")


def range_of(one: Bin) -> tuple[float, float]:
    """What is drawn of a bin, from below to above."""
    value = one.right.value or 0.0
    return (one.right.low, one.right.high) if one.right.total >= FEW_ANSWERS else (value, value)


def draw_histogram(histogram: Histogram, *, noun: str) -> Figure:
    """Two histograms above each other, because wrong answers are few; each has its own scale."""
    figure = new_figure(height=3.5)
    words = ("right answers", "wrong answers") if noun == "rows" else ("labels the rows have", "labels they lack")
    parts = ((histogram.right, BLUE), (histogram.wrong, ORANGE))
    for axes, (counts, color), word in zip(figure.subplots(2, 1, sharex=True), parts, words, strict=True):
        axes.bar(histogram.edges[:-1], counts, width=np.diff(histogram.edges) * 0.92, align="edge", color=color)
        axes.set_title(f"{counts.sum():,} {word}")
        count_axis(axes.yaxis, 3)
        axes.grid(axis="x", visible=False)
        if not counts.any():
            axes.set(ylim=(0, 1), yticks=())
    span = 1 - histogram.edges[0]
    axes.set(xlim=(histogram.edges[0], 1), xlabel="probability that the model gives")
    percent_axes(axes, x=0.2 if span > 0.5 else 0.1 if span > 0.2 else 0.05)
    return figure


def draw_coverage(coverage: Coverage) -> Figure:
    """How often the model is right if it answers only the surest part; the points chosen on validation are marked."""
    figure = new_figure(height=3.4)
    axes = figure.subplots()
    axes.plot(coverage.share, coverage.right, color=BLUE)
    low = min(float(coverage.right.min()), *(point.right for point in coverage.points), 0.9)
    floor = max(0.0, np.floor(10 * low) / 10)
    axes.set(xlim=(0, 1), ylim=(floor, 1 + 0.03 * (1 - floor)), xlabel="share of rows that are answered, surest first")
    axes.set_ylabel("share right")
    label_points(axes, coverage, gap=0.09 * (1 - floor))
    percent_axes(axes, x=0.2, y=0.2 if floor < 0.5 else 0.1 if floor < 0.85 else 0.05)
    return figure


def label_points(axes: Axes, coverage: Coverage, gap: float) -> None:
    """The chosen confidences below the curve, where there is room; texts on one side are at least `gap` apart."""
    last: dict[str, float] = {}
    for point in sorted(coverage.points, key=lambda point: -point.right):
        axes.plot(point.share, point.right, "o", color=INK, markersize=7, clip_on=False, zorder=5)
        side = "right" if point.share > 0.45 else "left"
        x = point.share - 0.03 if side == "right" else max(point.share, 0.02)
        left, right = (x - TEXT_WIDTH, x) if side == "right" else (x, x + TEXT_WIDTH)
        passing = coverage.right[(coverage.share >= left) & (coverage.share <= right)]
        y = min(float(passing.min(initial=point.right)), last.get(side, np.inf) - gap / 2) - gap / 2
        if y - gap > axes.get_ylim()[0]:
            last[side] = y
            axes.vlines(point.share, y - gap / 2, point.right, color=EDGE, linewidth=1)
            text, beside = f"{percent(point.confidence, 0)} sure or more", -0.015 if side == "right" else 0.015
            axes.text(point.share + beside, y, text, ha=side, va="top", color=INK, fontsize=SMALL)


def draw_unscored(confidence: np.ndarray) -> Figure:
    """How the confidences are spread where nobody knows which answers are right."""
    figure = new_figure(height=2.6)
    axes = figure.subplots()
    counts, edges = np.histogram(confidence, np.linspace(0, 1, 21))
    axes.bar(edges[:-1], counts, width=0.046, align="edge", color=BLUE)
    axes.set(xlim=(0, 1), xlabel="probability that the model gives", ylabel="rows")
    count_axis(axes.yaxis, 4)
    axes.grid(axis="x", visible=False)
    percent_axes(axes, x=0.2)
    return figure
