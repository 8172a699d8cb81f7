"""The plot of a search: the value of every trial, and the best one so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classification.report.json_fields import list_in
from classification.report.number_format import is_number
from classification.report.page.figures import BLUE, INK, ORANGE, new_figure
from classification.report.page.plot_axes import count_axis, plain_axis
from classification.report.run_words import words_of


def name_of(trial: Mapping[str, Any]) -> str:
    return f"trial-{int(trial['number']):03d}"


def metric_name(found: Mapping[str, Any]) -> str:
    """The metric of a search, as a title."""
    return "Validation loss" if found.get("metric") == "val_loss" else words_of(str(found.get("metric"))).name


def scored_trials(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The trials that have a value."""
    return [each for each in list_in(found, "trials") if isinstance(each, Mapping) and is_number(each.get("value"))]


def draw_trials(found: Mapping[str, Any]) -> Figure:
    """The value of each trial, the best one so far, and a ring around the chosen one.

    Args:
        found: what run.json holds of the search.
    """
    metric, scored = metric_name(found), scored_trials(found)
    figure = new_figure()
    axes = figure.subplots()
    numbers, values = [trial["number"] for trial in scored], [float(trial["value"]) for trial in scored]
    so_far = (np.maximum if found.get("higher") else np.minimum).accumulate(values)
    axes.step(numbers, so_far, where="post", color=ORANGE, label="best so far")
    axes.plot(numbers, values, "o", color=BLUE, markersize=6, label="trial")
    chosen = next(trial for trial in scored if name_of(trial) == found["best"])
    axes.plot(
        [chosen["number"]], [chosen["value"]], marker="o", markersize=12, markerfacecolor="none", markeredgecolor=INK,
        markeredgewidth=1.6, linestyle="none", label="chosen",
    )  # fmt: skip
    axes.set_title(metric if metric.startswith("Validation") else f"{metric} on validation", pad=26)
    axes.set_xlabel("trial")
    axes.margins(x=0.05, y=0.12)
    count_axis(axes.xaxis, 6)
    plain_axis(axes.yaxis)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=3, handlelength=1.4, columnspacing=1.2)
    return figure
