"""The figures at the end of a run: a table of metrics and a table of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from classification.data.labels import LabelSpace
from classification.errors import cosmetic
from classification.log import Line, log_lines
from classification.reporting.console import Cell, log_table, name_width
from classification.reporting.run_result import RunResult
from classification.training import throughput
from classification.training.callbacks import short_name

MAX_CLASSES = 20  # rows of the class table; all_results.json has all


def log_metrics(metrics: Mapping[str, object], task: LabelSpace) -> None:
    """One row per split that was scored, and one row per class."""
    names = ["loss", *task.main_metrics]
    rows = {
        split: [metrics[f"{key}_scored"], *(number_or_blank(cast("Cell", metrics[f"{key}_{name}"])) for name in names)]
        for split, key in (("validation", "eval"), ("test", "test"))
        if f"{key}_loss" in metrics
    }
    if not rows:
        return
    log_table("", ["rows", *names], cast("dict", rows))
    split, key = ("test", "test") if "test_per_class" in metrics else ("validation", "eval")
    classes = cast("dict[str, dict[str, float]]", metrics.get(f"{key}_per_class", {}))
    if not classes:
        return
    listed = {
        name: [number_or_blank(value) for value in figures.values()]
        for name, figures in list(classes.items())[:MAX_CLASSES]
    }
    log_table(split, [*next(iter(classes.values()))], listed, narrowest=9, first=name_width(classes))
    if len(classes) > MAX_CLASSES:
        log_lines([Line("", f"and {len(classes) - MAX_CLASSES} more in all_results.json")])


def number_or_blank(value: Cell) -> Cell:
    """None, a blank cell, for nan."""
    return None if isinstance(value, float) and math.isnan(value) else value


def log_results(result: RunResult) -> None:
    """The metrics, the comparison with other methods if there is one, and the speed."""
    with cosmetic("table of metrics"):
        log_metrics(result.metrics, result.task)
    if result.comparison:
        with cosmetic("table of baselines"):
            result.comparison.log(result.task)
    with cosmetic("speed"):
        log_lines([Line("", ""), *throughput.summary(result.throughput)])


def split_summary(split: str, metrics: Mapping[str, float], task: LabelSpace) -> list[Line]:
    """The figures of a split in the form of an epoch's line; nothing where no row has a label."""
    if "loss" not in metrics:
        return []
    figures = {"loss": metrics["loss"], short_name(task.headline): metrics[task.headline]}
    parts = [f"{name}={value:.4f}" for name, value in figures.items() if math.isfinite(value)]
    return [Line("", f"[{split}] {' '.join(parts)}")]
