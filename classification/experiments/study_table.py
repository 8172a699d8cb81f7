"""What the log shows at the end of a study: a table of its runs, the best one, and those that failed or collapsed."""

from __future__ import annotations

from typing import Any

from classification.data.findings import agree, quantity
from classification.data.labels import LabelSpace
from classification.errors import join_first
from classification.messages.log import Line, log_lines, warning
from classification.reporting.console import log_table
from classification.reporting.summary import number_or_blank


def log_study(metrics: dict[str, Any], task: LabelSpace) -> None:
    log_table("", *study_table(metrics, task))
    log_lines(study_summary(metrics))


def study_table(metrics: dict[str, Any], task: LabelSpace) -> tuple[list[str], dict[str, list]]:
    """Column names, and the metrics of every run, their mean and standard deviation, and of all folds together."""
    names = ("loss", *task.main_metrics[:3])
    keys = [f"{split}_{name}" for split in ("eval", "test") for name in names if f"{split}_{name}_mean" in metrics]
    rows = {name: [number_or_blank(run[key]) for key in keys] for name, run in metrics["runs"].items()}
    rows |= {name: ["failed", *[None] * (len(keys) - 1)] for name in metrics.get("failed", {})}
    for statistic in ("mean", "sd"):
        rows[statistic] = [number_or_blank(metrics[f"{key}_{statistic}"]) for key in keys]
    if "out_of_fold_loss" in metrics:
        rows["all rows"] = [metrics.get(f"out_of_fold_{key.removeprefix('eval_')}") for key in keys]
    return keys, rows


def study_summary(metrics: dict[str, Any]) -> list[Line]:
    """Which model is kept, and which runs have failed."""
    lines = []
    if "best" in metrics:
        lines.append(Line("best", f"{metrics['best']} has the lowest val_loss: its model is kept"))
    failed = metrics.get("failed", {})
    if failed:
        count = f"{len(failed)} of {quantity(len(failed) + len(metrics['runs']), 'run')}"
        lines.append(warning(f"{count} failed ({join_first(failed)}): the mean is that of the others"))
    if metrics["collapsed"]:
        lines.append(
            warning(
                f"{len(metrics['collapsed'])} of {quantity(len(metrics['runs']), 'run')} "
                f"{agree(len(metrics['collapsed']), 'have')} the same prediction for every row "
                f"({join_first(metrics['collapsed'])}), which distorts the mean. Train longer, or pass a lower "
                "--learning_rate or more --warmup_steps"
            )
        )
    return lines
