"""The section about a search for settings: every trial, the one that was chosen, and how lucky the choice was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import NONE, duration, is_number, number, plural
from classification.report.page.figures import BLUE, INK, ORANGE, figure_svg, new_figure
from classification.report.page.plot_axes import count_axis, plain_axis
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import words_of

MOST_ROWS = 50  # trials in the table, the best first
STATES = {"pruned": ("stopped early", "note"), "failed": ("failed", "bad")}
DIGITS = 4  # of the value that trials are compared by


def search_section(run: RunFiles) -> Section | None:
    """None for a run without `--search`."""
    found = mapping_in(run.record, "search")
    trials = [trial for trial in list_in(found, "trials") if isinstance(trial, Mapping)]
    best = next((trial for trial in trials if name_of(trial) == found.get("best")), None)
    if best is None:
        return None
    metric = "Validation loss" if found.get("metric") == "val_loss" else words_of(str(found.get("metric"))).name
    headline = str(found.get("headline") or "")
    names = list(mapping_in(found, "space"))
    order = sorted(trials, key=lambda trial: sort_key(trial, sign=-1 if found.get("higher") else 1))
    scored = [trial for trial in trials if is_number(trial.get("value"))]
    values = {
        "lead": lead_of(best, trials, metric, names),
        "luck": luck_of(found, best, scored, metric),
        "gain": gain_of(trials, best, metric) if found.get("starts_with_own") else "",
        "plot": plot_of(scored, found, metric) if len(scored) > 1 else None,
        "columns": [
            ("Trial", False), (metric, True), *([(words_of(headline).name, True)] if headline else []), ("Time", True),
            *((name, True) for name in names),
        ],
        "rows": [row_of(trial, found, headline, names) for trial in order[:MOST_ROWS]],
        "count": len(trials),
        "problems": [(name_of(trial), trial["problem"]) for trial in order[:MOST_ROWS] if trial.get("problem")],
    }  # fmt: skip
    left_out = f"{len(trials) - MOST_ROWS} more trials are in search.json." if len(trials) > MOST_ROWS else ""
    return Section("search", "How the settings were found", "search.html.j2", values, left_out)


def name_of(trial: Mapping[str, Any]) -> str:
    return f"trial-{int(trial['number']):03d}"


def sort_key(trial: Mapping[str, Any], sign: int) -> tuple[bool, float, int]:
    """The best trial first; those without a value last, in their order."""
    value = trial.get("value")
    return (False, sign * value, 0) if is_number(value) else (True, 0.0, int(trial["number"]))


def setting(value: object) -> str:
    """
    >>> setting(8.1e-05), setting(None), setting(True), setting("ema")
    ('8.1e-05', 'left out', 'true', 'ema')
    """
    if value is None:
        return "left out"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def lead_of(best: Mapping[str, Any], trials: list[Mapping[str, Any]], metric: str, names: list[str]) -> str:
    settings = ", ".join(f"{name} {setting(best['settings'].get(name))}" for name in names)
    value = number(best["value"], DIGITS)
    tried = f"{plural(len(trials), 'setting')} {'was' if len(trials) == 1 else 'were'} tried on the validation rows."
    return f"{tried} {name_of(best)} was the best, with {lower(metric)} {value}: {settings}."


def gain_of(trials: list[Mapping[str, Any]], best: Mapping[str, Any], metric: str) -> str:
    """The best trial beside the first one, which has the settings of the command."""
    first = trials[0].get("value")
    if not is_number(first):
        return ""
    if best["number"] == 1:
        return "The first trial has the settings of the command. No other trial was better."
    return f"The first trial has the settings of the command: {lower(metric)} {number(first, DIGITS)}."


def luck_of(found: Mapping[str, Any], best: Mapping[str, Any], scored: list[Mapping[str, Any]], metric: str) -> str:
    """What the choice of the best is worth on rows that did not choose."""
    crossed, value = found.get("cross_fitted"), number(best["value"], DIGITS)
    warning = f"{metric} {value} is the best of {len(scored)} on the same rows, so that it is a little too good."
    if not is_number(crossed):
        return warning
    return (
        f"{warning} Chosen on one half of the {found.get('rows')} rows and measured on the other, it is "
        f"{number(crossed, DIGITS)} on average."
    )


def lower(metric: str) -> str:
    return metric[:1].lower() + metric[1:]


def row_of(trial: Mapping[str, Any], found: Mapping[str, Any], headline: str, names: list[str]) -> dict[str, Any]:
    is_best = name_of(trial) == found.get("best")
    badges = [("chosen", "ok")] if is_best else [STATES[trial["state"]]] if trial.get("state") in STATES else []
    cells = [number(trial.get("value"), DIGITS)] + (
        [words_of(headline).show(trial.get("headline"))] if headline else []
    )
    cells += [duration(trial["seconds"]) if is_number(trial.get("seconds")) else NONE]
    cells += [setting(trial["settings"].get(name)) for name in names]
    return {"name": name_of(trial), "badges": badges, "cells": cells, "is_best": is_best}


def plot_of(scored: list[Mapping[str, Any]], found: Mapping[str, Any], metric: str) -> Markup:
    """The value of each trial, and the best one so far."""
    figure = draw_trials(scored, higher=bool(found.get("higher")), best=str(found.get("best")), metric=metric)
    values = ", ".join(f"{name_of(trial)} {number(trial['value'], DIGITS)}" for trial in scored[:MOST_ROWS])
    return figure_svg(figure, f"{metric} of each trial", f"{values}. The line is the best value so far.")


def draw_trials(scored: list[Mapping[str, Any]], *, higher: bool, best: str, metric: str) -> Figure:
    figure = new_figure()
    axes = figure.subplots()
    numbers, values = [trial["number"] for trial in scored], [float(trial["value"]) for trial in scored]
    so_far = (np.maximum if higher else np.minimum).accumulate(values)
    axes.step(numbers, so_far, where="post", color=ORANGE, label="best so far")
    axes.plot(numbers, values, "o", color=BLUE, markersize=6, label="trial")
    chosen = next(trial for trial in scored if name_of(trial) == best)
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
