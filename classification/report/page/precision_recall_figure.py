"""The plot of precision against recall for one class, or for all pooled."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classification.report.number_format import percent
from classification.report.page.figures import BLUE, INK, MUTED, SURFACE, new_figure
from classification.report.page.plot_axes import SMALL, percent_axes, reference_line
from classification.report.page.precision_recall_values import Curve

PANEL = (2.35, 2.15)  # inches
TEXT_WIDTH, TEXT_HEIGHT = 0.56, 0.07  # of the words beside the point, in shares of the axes


def draw_precision_recall(curve: Curve) -> Figure:
    """The curve, the point where the model decides, and the line of answering the class for every row."""
    figure = new_figure(height=3.4)
    axes = figure.subplots()
    draw_curve(axes, curve)
    axes.set_xlabel("share of its rows that are found (recall)")
    axes.set_ylabel("share of answers that are right")
    if curve.share < 0.85 and curve.precision[curve.recall < 0.65].min() > curve.share + 0.09:
        words = f"always answering it: {percent(curve.share, 0)} right"
        axes.text(0.02, curve.share + 0.02, words, va="bottom", color=MUTED, fontsize=SMALL)
    if curve.chosen:
        label_point(axes, curve)
    return figure


def label_point(axes: Axes, curve: Curve) -> None:
    """The text of the point, where neither the curve nor the dashed line is in its way; none if there is no room."""
    assert curve.chosen is not None
    recall, _ = curve.chosen
    side = "right" if recall > 0.5 else "left"
    near = (curve.recall > recall - TEXT_WIDTH) if side == "right" else (curve.recall < recall + TEXT_WIDTH)
    near &= (curve.recall <= recall + 0.02) if side == "right" else (curve.recall >= recall - 0.02)
    passing = np.append(curve.precision[near], curve.chosen[1])
    below, above = passing.min() - 0.04, passing.max() + 0.04
    if below - TEXT_HEIGHT > curve.share + (2 * TEXT_HEIGHT if side == "left" else 0.02):
        y, vertical = below, "top"
    elif above + TEXT_HEIGHT < 1 and above > curve.share:
        y, vertical = above, "bottom"
    else:
        return
    axes.text(recall, y, "where the model decides", ha=side, va=vertical, color=INK, fontsize=SMALL)


def draw_panel(curve: Curve) -> Figure:
    """The same, small and without words, for a row of plots."""
    figure = new_figure(*PANEL)
    axes = figure.subplots()
    draw_curve(axes, curve, step=0.5)
    return figure


def draw_curve(axes: Axes, curve: Curve, step: float = 0.2) -> None:
    reference_line(axes, (0, 1), (curve.share, curve.share))
    axes.plot(curve.recall, curve.precision, color=BLUE, drawstyle="steps-pre", clip_on=False)
    if curve.chosen:
        axes.plot(*curve.chosen, "o", color=INK, markersize=7, clip_on=False, zorder=5)
    for point in curve.points:
        axes.plot(*point, "o", color=INK, markersize=6, markerfacecolor=SURFACE, clip_on=False, zorder=5)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    percent_axes(axes, x=step, y=step)
