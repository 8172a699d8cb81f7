"""A model and baselines in one table: what each reaches, what each costs, and whether the best two really differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.labels import LabelSpace
from classification.data.rules.rule_choice import RuleChoice
from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.evaluation.significance import compare
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.classical_models import warnings_logged
from classification.experiments.runs import FinishedRun
from classification.messages.log import Line, log_lines
from classification.reporting.console import log_table, name_width
from classification.reporting.run_record import write_json
from classification.training.throughput import speed_shown
from classification.training.unsealed_checkpoint import WEIGHTS

FILE = "baselines.json"
SPEED_SPLITS = ("test", "validation")  # the first that there is gives the rows per second
SECOND_METRIC = {"accuracy": "f1_macro", "f1_micro": "f1_macro", "rmse": "pearson"}  # by headline


@dataclass(frozen=True)
class Result:
    """What a method reaches and costs.

    Args:
        metrics: by split, then by name; a loss of None means that the method has none.
        logits: [N, C] by split.
        train_seconds: from the texts of train to a fitted method; of a run, its training without tokenising.
        rows_per_second: new rows from text to label, measured on test, or on validation without test.
        not_applicable: why the method does not apply to the task.
    """

    title: str
    metrics: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)
    train_seconds: float | None = None
    rows_per_second: float | None = None
    size_bytes: int | None = None
    not_applicable: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry of baselines.json."""
        if self.not_applicable:
            return {"title": self.title, "absent": self.not_applicable}
        costs = {name: getattr(self, name) for name in ("title", "train_seconds", "rows_per_second", "size_bytes")}
        return costs | {f"{split}_{name}": value for split, row in self.metrics.items() for name, value in row.items()}


@dataclass(frozen=True)
class Comparison:
    """All methods by name.

    Args:
        best: the model against the best baseline: `baseline`, `split` and, as `figures`, what `compare` returns. Empty
            without a model, or where either has no predictions.
    """

    results: Mapping[str, Result] = field(default_factory=dict)
    best: Mapping[str, Any] = field(default_factory=dict)

    def results_as_dict(self) -> dict[str, dict]:
        return {name: result.as_dict() for name, result in self.results.items()}

    def write(self, folder: Path) -> None:
        """Write baselines.json."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, {"methods": self.results_as_dict(), "comparison": dict(self.best)})

    def log(self, task: LabelSpace) -> None:
        """Log the table, why cells are empty, and the comparison of the model with the best baseline."""
        columns, rows = baseline_table(self.results, task)
        log_table("baselines", columns, rows, first=name_width(rows))
        log_lines([*baseline_notes(self.results), Line("", ""), *comparison_lines(self)])


# ------------------------------------------------------------------------------------------------- results of methods


def labelled_metrics(
    logits: np.ndarray, rows: Dataset, task: LabelSpace, *, has_loss: bool = True
) -> dict[str, float | None]:
    """Metrics of the rows that have labels. Without `has_loss` the logits are no log-probabilities: loss is None."""
    label_ids = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    scored = score_labelled(logits, label_ids, task)
    metrics = {name: value for name, value in scored.items() if not isinstance(value, dict | list | str)}
    return metrics | ({} if has_loss or "loss" not in metrics else {"loss": None})


def result_of_method(
    title: str, logits: Mapping[str, np.ndarray], splits: DatasetDict, task: LabelSpace, *, train_seconds: float,
    seconds: Mapping[str, float], size_bytes: int, has_loss: bool = True,
) -> Result:  # fmt: skip
    """A method that is fitted here.

    Args:
        logits: [N, C] by split. seconds: from the texts of a split to them.

    Raises:
        FloatingPointError: logits that are not finite.
    """
    if not all(np.isfinite(values).all() for values in logits.values()):
        raise FloatingPointError("its outputs are not finite.")
    with warnings_logged(title):
        metrics = {
            split: labelled_metrics(values, splits[split], task, has_loss=has_loss) for split, values in logits.items()
        }
    split = next((split for split in SPEED_SPLITS if split in seconds), None)
    speed = None if split is None else len(splits[split]) / max(seconds[split], 1e-9)
    return Result(title, metrics, logits, train_seconds, speed, size_bytes)


def result_of_run(title: str, finished: FinishedRun, task: LabelSpace, rows_per_second: float | None) -> Result:
    """A run of the recipe as one of the methods, with the thresholds of `task`."""
    predictions = finished.predictions
    return Result(
        title,
        metrics={split: labelled_metrics(scored.logits, scored.rows, task) for split, scored in predictions.items()},
        logits={split: scored.logits for split, scored in predictions.items()},
        # The seconds of a run that was resumed are those since then; after --search, none of its training.
        train_seconds=finished.metrics.get("train_runtime", finished.seconds.get("train")),
        rows_per_second=rows_per_second,
        size_bytes=model_size(finished.output_dir),
    )


def model_size(folder: Path) -> int:
    """Bytes of the weights and the tokenizer."""
    files = (folder / name for name in (*WEIGHTS, "tokenizer.json"))
    return sum(path.stat().st_size for path in files if path.exists())


def task_of_baselines(task: LabelSpace, rule: RuleChoice) -> LabelSpace:
    """The task with the costs or thresholds of the command line, and without what was fitted to the model's outputs."""
    return rule.without_fitting().applied_to(task.untuned())


# -------------------------------------------------------------------------------------------------------- comparison


def best_baseline(results: Mapping[str, Result], task: LabelSpace) -> str | None:
    """The name of the baseline with the best headline metric on validation."""
    sign = -1 if task.headline in LOWER_IS_BETTER else 1
    values = {
        name: result.metrics.get("validation", {}).get(task.headline, math.nan) for name, result in results.items()
    }
    finite = (name for name, value in values.items() if math.isfinite(value))
    return max(finite, key=lambda name: sign * values[name], default=None)


def compare_with_best(
    model: Result, results: Mapping[str, Result], splits: DatasetDict, task: LabelSpace, rule: RuleChoice
) -> dict[str, Any]:
    """The model against the best baseline on the labelled rows of test, or of validation if test has none.

    Returns:
        The field `best` of `Comparison`.
    """
    name = best_baseline(results, task)
    if name is None:
        return {}
    for split in ("test", "validation"):
        if split not in splits or "label" not in splits[split].column_names:
            continue
        given = splits[split]["label"][:]
        rows = [row for row, label in enumerate(given) if label is not None]
        if rows and split in model.logits and split in results[name].logits:
            label_ids = np.array([given[row] for row in rows])
            logits = model.logits[split][rows], results[name].logits[split][rows]
            compared = compare(*logits, label_ids, task, task_of_baselines(task, rule))
            return {"baseline": name, "split": split, "figures": compared}
    return {}


# -------------------------------------------------------------------------------------------------------- log output


def baseline_table(results: Mapping[str, Result], task: LabelSpace) -> tuple[list[str], dict[str, list[str]]]:
    """Column names, and the cells of each method by its title."""
    first, second = task.headline, SECOND_METRIC.get(task.headline, task.main_metrics[0])
    columns = [f"val {first}", f"test {first}", f"test {second}", "test loss", "train s", "rows/s", "MB"]
    rows = {}
    for result in results.values():
        validation, test = (result.metrics.get(split, {}) for split in ("validation", "test"))
        values = (validation.get(first), test.get(first), test.get(second), test.get("loss"))
        rows[result.title] = [
            *("-" if value is None or math.isnan(value) else f"{value:.4f}" for value in values),
            "-" if result.train_seconds is None else f"{result.train_seconds:.1f}",
            "-" if result.rows_per_second is None else speed_shown(result.rows_per_second),
            "-" if result.size_bytes is None else f"{result.size_bytes / 1e6:.1f}",
        ]
    return columns, rows


def baseline_notes(results: Mapping[str, Result]) -> list[Line]:
    """Why cells of the table are empty."""
    lines = [
        Line("baselines", f"{result.title} does not apply to this task: {result.not_applicable}")
        for result in results.values()
        if result.not_applicable
    ]
    if any(metrics.get("loss", 0.0) is None for result in results.values() for metrics in result.metrics.values()):
        lines.append(Line("baselines", "SVMs have no loss: their outputs are not probabilities"))
    return lines


def comparison_lines(comparison: Comparison) -> list[Line]:
    """One sentence: whether the model or the best baseline wins, or that the difference is within noise."""
    if not comparison.best:
        return []
    compared, split = comparison.best["figures"], comparison.best["split"]
    title = comparison.results[comparison.best["baseline"]].title
    interval = f"95% interval {compared['low']:+.4f} to {compared['high']:+.4f}"
    p = "" if compared["mcnemar_p"] is None else f", McNemar's p = {compared['mcnemar_p']:.2g}"
    caveat = "; note: the same rows were used to select both models" if split == "validation" else ""
    text = (
        f"{compared['verdict']}: {compared['metric']} {compared['model']:.4f} against {compared['baseline']:.4f} of "
        f"{title} on {compared['rows']} rows of {split} (the baseline was chosen on validation; difference "
        f"{compared['difference']:+.4f}, {interval}{p}{caveat})"
    )
    return [Line("versus", text)]
