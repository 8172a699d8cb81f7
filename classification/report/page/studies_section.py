"""The section about a study: mean and spread of every main metric, its runs as points, which one is kept and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import NONE, is_number, number, plural, with_limits
from classification.report.page.figures import BLUE, INK, MUTED, ORANGE, figure_svg, new_figure
from classification.report.page.plot_axes import SMALL, percent_axes, plain_axis
from classification.report.page.sections import Section
from classification.report.run_files import PREFIXES, RunFiles
from classification.report.run_words import MetricWords, words_of

OUT_OF_FOLD = "out_of_fold_"
LISTED = 12  # runs that the plot names
TITLES = {  # of a split, by whether the study has folds
    False: {"test": "test", "validation": "validation"}, True: {"test": "test", "validation": "held-out fold"},
}  # fmt: skip


def studies_section(run: RunFiles) -> Section | None:
    """Mean, spread and runs of a study; None for a run that belongs to none."""
    runs = {name: entry for name, entry in mapping_in(run.study, "runs").items() if isinstance(entry, Mapping)}
    if not runs:
        return None
    best = run.study.get("best")
    is_folds = best is None
    split = "test" if not is_folds and any("test_loss" in entry for entry in runs.values()) else "validation"
    words, values = words_of(run.task.headline), values_of(runs, run.task.headline, split)
    titles = TITLES[is_folds]
    where = "the held-out fold" if is_folds else f"the {split} rows"
    section = {
        "lead": lead_of(words, list(values.values()), where, "fold" if is_folds else "run"),
        "kept": kept_of(best, runs),
        "plot": plot_of(words, values, best, where) if len(values) > 1 else None,
        "metrics": metric_rows(run, is_folds=is_folds),
        "splits": [titles[split] for split in scored_splits(run)],
        "runs": [run_row(run, name, entry) for name, entry in runs.items()],
        "run_columns": [(f"{capital(words_of(name).name)}, {titles[split]}", True) for name, split in columns_of(run)],
        "failed": [(str(name), str(problem)) for name, problem in mapping_in(run.study, "failed").items()],
        "collapsed": [str(name) for name in list_in(run.study, "collapsed")],
        "is_folds": is_folds,
    }  # fmt: skip
    title = f"The {plural(len(runs), 'fold' if is_folds else 'run')} of the study"
    return Section("study", title, "studies.html.j2", section)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def scored_splits(run: RunFiles) -> list[str]:
    return [split for split, prefix in PREFIXES.items() if f"{prefix}_loss_mean" in run.study]


def values_of(runs: Mapping[str, Mapping[str, Any]], metric: str, split: str) -> dict[str, float]:
    """A metric of each run that has it."""
    key = f"{PREFIXES[split]}_{metric}"
    return {name: float(entry[key]) for name, entry in runs.items() if is_number(entry.get(key))}


def lead_of(words: MetricWords, values: Sequence[float], where: str, noun: str) -> str:
    """Mean and spread of the headline in a sentence."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{words.name} on {where} is {words.show(values[0])} in the one {noun} that has it."
    if len({words.show(value) for value in values}) == 1:
        return f"{words.name} on {where} is {words.show(values[0])} in each of {plural(len(values), noun)}."
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    return (
        f"{words.name} on {where} is {words.show(mean)} on average over {plural(len(values), noun)}, from "
        f"{words.show(min(values))} to {words.show(max(values))} (standard deviation {in_units(spread, words)})."
    )


def in_units(value: float, words: MetricWords) -> str:
    """A difference of two values of a metric, in points for a share."""
    return f"{value * words.factor:.1f}{words.unit}" if words.unit else words.show(value)


def kept_of(best: object, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Which model is kept, and why."""
    if best not in runs:
        return ""
    loss = runs[str(best)].get("eval_loss")
    return f"The model of {best} is kept, because it has the lowest validation loss ({number(loss)})."


# -------------------------------------------------------------------------------------------------------------- tables


def columns_of(run: RunFiles) -> list[tuple[str, str]]:
    """Metric and split of the columns of the table of runs."""
    return [*((run.task.headline, split) for split in scored_splits(run)), ("loss", "validation")]


def run_row(run: RunFiles, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    cells = [words_of(metric).show(entry.get(f"{PREFIXES[split]}_{metric}")) for metric, split in columns_of(run)]
    badges = [("kept", "ok")] if name == run.study.get("best") else []
    badges += [("collapsed", "bad")] if name in list_in(run.study, "collapsed") else []
    return {"name": name, "badges": badges, "cells": cells, "is_kept": name == run.study.get("best")}


def metric_rows(run: RunFiles, *, is_folds: bool) -> list[dict[str, Any]]:
    """Mean and standard deviation of every main metric; with folds also that of all rows together."""
    rows = []
    for metric in ("loss", *run.task.main_metrics):
        words = words_of(metric)
        cells = []
        for split in scored_splits(run):
            key = f"{PREFIXES[split]}_{metric}"
            spread = spread_of(run.study.get(f"{key}_sd"), words)
            cells.append(f"{words.show(run.study.get(f'{key}_mean'))} ± {spread}" if spread else NONE)
        if is_folds:
            cells.append(with_interval(run.study, f"{OUT_OF_FOLD}{metric}", words))
        if any(cell != NONE for cell in cells):
            rows.append({"name": capital(words.name), "cells": cells})
    return rows


def spread_of(value: object, words: MetricWords) -> str:
    return in_units(value, words) if is_number(value) else ""


def with_interval(study: Mapping[str, Any], key: str, words: MetricWords) -> str:
    return with_limits(words.show, *(study.get(f"{key}{end}") for end in ("", "_low", "_high")))


# ---------------------------------------------------------------------------------------------------------------- plot


def plot_of(words: MetricWords, values: Mapping[str, float], best: object, where: str) -> Any:
    """The strip plot as SVG."""
    runs = ", ".join(f"{name} {words.show(value)}" for name, value in list(values.items())[:LISTED])
    more = f" and {len(values) - LISTED} more" if len(values) > LISTED else ""
    return figure_svg(
        draw_strip(values, best, is_share=bool(words.unit)),
        f"{words.name} on {where}, one point per run",
        f"{runs}{more}; the line is the mean, {words.show(float(np.mean(list(values.values()))))}.",
    )


def draw_strip(values: Mapping[str, float], best: object, *, is_share: bool) -> Figure:
    """One point per run on a line of its own, the kept one in another colour and shape, and the mean as a line."""
    names = list(values)[: 3 * LISTED]
    figure = new_figure(height=1.0 + 0.32 * len(names))
    axes = figure.subplots()
    mean = float(np.mean(list(values.values())))
    axes.axvline(mean, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    for place, name in enumerate(names):
        is_kept = name == best
        axes.plot([values[name]], [place], "D" if is_kept else "o", color=ORANGE if is_kept else BLUE, markersize=8)
    axes.set_yticks(range(len(names)), [f"{name} (kept)" if name == best else name for name in names])
    axes.tick_params(axis="y", length=0, labelsize=SMALL, labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    low, high = min(values.values()), max(values.values())
    room = max(0.15 * (high - low), 0.01 if is_share else 0.02 * abs(mean) or 0.01)
    axes.set_xlim(low - room, high + room)
    axes.locator_params(axis="x", nbins=5)
    if is_share:
        percent_ticks(axes, high - low + 2 * room)
    else:
        plain_axis(axes.xaxis)
    axes.grid(axis="y", visible=False)
    return figure


def percent_ticks(axes: Any, width: float) -> None:
    """Steps of whole points, at most six."""
    step = next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if width / step <= 6), 0.25)
    percent_axes(axes, x=step)
