"""The figures at the end of a run: a table of metrics and a table of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from classification.data.labels import LabelSpace
from classification.errors import cosmetic
from classification.evaluation.intervals import SIDES, shown_with_interval
from classification.evaluation.slices import describe_cost
from classification.evaluation.suspicious_scores import suspicion_lines
from classification.messages.log import Line, log_lines
from classification.reporting.console import Cell, log_table, name_width
from classification.reporting.run_result import RunResult
from classification.training import throughput
from classification.training.callbacks import short_name

MAX_SLICES = 5  # rows of the table of slices; all_results.json has all
MAX_CLASSES = 20  # rows of the class table; all_results.json has all


def log_metrics(metrics: Mapping[str, object], task: LabelSpace) -> None:
    """Metrics with their intervals per split that was scored, the costliest slices, and one row per class."""
    splits = {split: key for split, key in (("validation", "eval"), ("test", "test")) if f"{key}_loss" in metrics}
    if not splits:
        return
    figures = {"rows": [cast("Cell", metrics[f"{key}_scored"]) for key in splits.values()]}
    for name in ("loss", *task.main_metrics):
        figures[name] = [metric_cell(metrics, f"{key}_{name}") for key in splits.values()]
    log_table("", [*splits], figures, first=name_width(figures))
    log_slices(metrics, task)
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


def metric_cell(metrics: Mapping[str, object], name: str) -> Cell:
    """A metric with its interval if it has one; None, a blank cell, for nan."""
    value, low, high = (cast("float | None", metrics.get(key)) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None or math.isnan(value):
        return None
    return value if low is None else shown_with_interval(value, low, high)


def log_slices(metrics: Mapping[str, object], task: LabelSpace) -> None:
    """The slices of test, or of validation, where the model loses most, and where the others are."""
    split, key = ("test", "test_slices") if "test_slices" in metrics else ("validation", "eval_slices")
    slices = cast("list[dict]", metrics.get(key, []))
    costly = {f"{each['column']}: {each['value']}": each for each in slices if each["cost"] > 0}
    if not costly:
        return
    listed = {
        name: [each["rows"], metric_cell(each, task.headline), f"{each['cost']:.1f}"]
        for name, each in list(costly.items())[:MAX_SLICES]
    }
    log_table(f"slices of {split}", ["rows", task.headline, "cost"], listed, first=name_width(listed))
    log_lines([Line("", f"cost: {describe_cost(task)}; all {len(slices)} slices are in all_results.json ({key})")])


def number_or_blank(value: Cell) -> Cell:
    """None, a blank cell, for nan."""
    return None if isinstance(value, float) and math.isnan(value) else value


def log_results(result: RunResult) -> None:
    """The metrics, the comparison with other methods if there is one, and the speed."""
    with cosmetic("table of metrics"):
        log_metrics(result.metrics, result.task)
    with cosmetic("signs of a wrong score"):
        findings = [finding.as_dict() for finding in result.corpus.findings]
        log_lines(suspicion_lines(result.metrics, {"findings": findings, "labels": result.task.names}))
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
    low, high = (metrics.get(f"{task.headline}_{side}") for side in SIDES)
    if low is not None and high is not None:
        parts.append(shown_with_interval(metrics[task.headline], low, high).partition(" ")[2])
    return [Line("", f"[{split}] {' '.join(parts)}")]
