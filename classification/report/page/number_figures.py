"""The plots of a regression: predicted against true numbers, errors against predictions, and a histogram of errors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classification.report.page.figures import BLUE, INK, ORANGE, new_figure
from classification.report.page.number_values import Points
from classification.report.page.plot_axes import SMALL, count_axis, plain_axis, reference_line


def draw_predicted(points: Points) -> Figure:
    """Predicted against true numbers; on the line both are equal."""
    figure = new_figure(height=3.9)
    axes = figure.subplots()
    low, high = min(points.x.min(), points.y.min()), max(points.x.max(), points.y.max())
    room = 0.04 * (high - low) or 1.0
    reference_line(axes, (low - room, high + room), (low - room, high + room))
    draw_points(axes, points)
    axes.set(xlim=(low - room, high + room), ylim=(low - room, high + room), xlabel="true", ylabel="predicted")
    plain_axis(axes.xaxis)
    plain_axis(axes.yaxis)
    return figure


def draw_residuals(points: Points) -> Figure:
    """Predicted minus true against the prediction; above the line the prediction is too high."""
    figure = new_figure(height=3.9)
    axes = figure.subplots()
    reference_line(axes, (points.x.min(), points.x.max()), (0, 0))
    draw_points(axes, points)
    reach = 1.15 * float(np.abs(points.y).max()) or 1.0
    axes.set(ylim=(-reach, reach), xlabel="predicted", ylabel="predicted minus true")
    plain_axis(axes.xaxis)
    plain_axis(axes.yaxis)
    return figure


def draw_points(axes: Axes, points: Points) -> None:
    """One size per row; cells of a grid grow with their number of rows, in six steps."""
    if not points.are_cells:
        axes.plot(points.x, points.y, "o", color=BLUE, alpha=0.55, markersize=4.5, markeredgewidth=0)
        return
    step = np.ceil(6 * np.sqrt(points.rows / points.rows.max()))
    for size in range(1, 7):
        chosen = step == size
        if chosen.any():
            axes.plot(
                points.x[chosen], points.y[chosen], "o", color=BLUE, alpha=0.6, markersize=1.8 + size,
                markeredgewidth=0,
            )  # fmt: skip


def reach_of(errors: np.ndarray) -> float:
    """How far the axis of a histogram of errors goes: over all of them, or where some are far out, over 99%."""
    most, largest = float(np.quantile(np.abs(errors), 0.99)), float(np.abs(errors).max())
    return most if 0 < most < largest / 1.5 else largest or 1.0


def draw_errors(errors: np.ndarray, bins: int = 31) -> Figure:
    """How many rows are how far off. The mean error is marked; errors beyond the axis are in its last bars."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    reach = reach_of(errors)
    counts, edges = np.histogram(np.clip(errors, -reach, reach), np.linspace(-reach, reach, bins + 1))
    axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=BLUE, alpha=0.75)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlim=(-reach, reach), xlabel="predicted minus true", ylabel="rows")
    axes.set_ylim(0, 1.2 * counts.max())
    if abs(errors.mean()) < reach:
        mark_mean(axes, float(errors.mean()), reach)
    count_axis(axes.yaxis, 4)
    axes.grid(axis="x", visible=False)
    plain_axis(axes.xaxis)
    return figure


def mark_mean(axes: Axes, mean: float, reach: float) -> None:
    axes.axvline(mean, color=ORANGE, linewidth=2, linestyle=(0, (4, 3)))
    side, gap = ("right", -0.02 * reach) if mean > 0 else ("left", 0.02 * reach)
    if abs(mean) < 0.45 * reach:  # there is room on the outer side
        side, gap = ("left", 0.02 * reach) if mean > 0 else ("right", -0.02 * reach)
    top = axes.get_ylim()[1]
    axes.text(mean + gap, 0.99 * top, "mean error", ha=side, va="top", color=ORANGE, fontsize=SMALL)
