"""Axes of plots: shares as percentages, and numbers without an exponent or an offset."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from classification.report.page.figures import MUTED

SMALL = 10.5  # points, of words inside a plot


def reference_line(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A dashed line to compare with."""
    axes.plot(x, y, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))


def count_axis(axis: Axis, ticks: int) -> None:
    """Whole numbers on an axis, with few ticks."""
    axis.set_major_locator(MaxNLocator(nbins=ticks, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_tick(value)))


def percent_axes(axes: Axes, *, x: float = 0, y: float = 0) -> None:
    """Shares on an axis as percentages, with a tick per `x` and per `y`; 0 leaves the axis alone."""
    for step, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if step:
            axis.set_major_locator(MultipleLocator(step))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))


def plain_axis(axis: Axis, ticks: int = 6) -> None:
    """Numbers without an offset, and without an exponent where they are not huge; fewer ticks for long numbers."""
    low, high = axis.get_view_interval()
    longest = max(len(plain_tick(value)) for value in MaxNLocator(ticks).tick_values(low, high))
    axis.set_major_locator(MaxNLocator(ticks if longest < 7 else 3))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_tick(value)))


def plain_tick(value: float) -> str:
    """
    >>> plain_tick(0.30000000000000004), plain_tick(-0.0), plain_tick(25000.0), plain_tick(1e-7), plain_tick(2e9)
    ('0.3', '0', '25,000', '1e-07', '2e+09')
    """
    if value == 0:
        return "0"
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.3g}"
