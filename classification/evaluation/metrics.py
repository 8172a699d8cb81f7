"""Metrics of a split, by scikit-learn and SciPy: `METRICS` lists what each kind of task reports.

Another metric is one function and one line in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from classification.data.labels import LabelSpace
from classification.evaluation.score_protocols import ExtraMetric, MeanLoss

# N rows, C classes. References and predictions are int64 [N] class ids, int64 [N, C] of 0 and 1 for several labels per
# row, or float64 [N] numbers; probabilities are float64 [N, C], None for numbers.

LOWER_IS_BETTER = ("loss", "objective", "mae", "rmse")
FROM_PROBABILITIES = ("average_precision",)  # all others need decisions only

Metric = Callable[[np.ndarray, np.ndarray, Any], float]  # of references, predictions and probabilities


def on_decisions(function: Callable, **arguments) -> Metric:
    """A scikit-learn function of references and predictions as a metric."""
    return lambda references, predictions, probabilities: function(references, predictions, **arguments)


def balanced_accuracy(references: np.ndarray, predictions: np.ndarray, probabilities: Any) -> float:
    """Mean recall of the classes that occur in the references."""
    return sk.recall_score(references, predictions, labels=np.unique(references), average="macro")


def exact_match(references: np.ndarray, predictions: np.ndarray, probabilities: Any) -> float:
    """Share of rows whose labels are all correct."""
    return (predictions == references).all(axis=1).mean()


def matthews(references: np.ndarray, predictions: np.ndarray, probabilities: Any) -> float:
    """Matthews' correlation: 0 where all predictions are equal, nan where all references are."""
    return sk.matthews_corrcoef(references, predictions) if len(np.unique(references)) > 1 else float("nan")


def correlation(function: Callable) -> Metric:
    """Pearson's or Spearman's correlation; nan where one side is constant."""

    def compute(references: np.ndarray, predictions: np.ndarray, probabilities: Any) -> float:
        if len(np.unique(predictions)) < 2 or len(np.unique(references)) < 2:
            return float("nan")
        return function(predictions, references).statistic

    return compute


def mean_average_precision(references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None) -> float:
    """Mean over the classes that occur in the references; nan where none does."""
    values = np.array([]) if probabilities is None else average_precisions(references, probabilities)
    return float(values[~np.isnan(values)].mean()) if np.isfinite(values).any() else float("nan")


def average_precisions(references: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Average precision of each class against the rest, float64 [C]; nan for a class that no reference has."""
    truth = references if references.ndim == 2 else references[:, None] == np.arange(probabilities.shape[1])
    if not np.isfinite(probabilities).all():
        return np.full(truth.shape[1], np.nan)
    columns = zip(truth.T, probabilities.T, strict=True)
    return np.array([sk.average_precision_score(*column) if column[0].any() else np.nan for column in columns])


def f1(average: str, zero_division: float = 0) -> Metric:
    return on_decisions(sk.f1_score, average=average, zero_division=zero_division)


# Key of a task (`LabelSpace.metrics`) -> its metrics by name, in the order in which they are reported.
METRICS: dict[str, dict[str, Metric]] = {
    "single_label": {
        "accuracy": on_decisions(sk.accuracy_score),
        "balanced_accuracy": balanced_accuracy,
        "f1_macro": f1("macro"),
        "f1_micro": f1("micro"),
        "f1_weighted": f1("weighted"),
        "mcc": matthews,
        "average_precision": mean_average_precision,
    },
    # F1 leaves out labels that neither occur nor are predicted. A row without labels for which none is predicted
    # counts 1 in f1_samples.
    "multi_label": {
        "f1_micro": f1("micro", zero_division=np.nan),
        "f1_macro": f1("macro", zero_division=np.nan),
        "f1_weighted": f1("weighted", zero_division=np.nan),
        "f1_samples": f1("samples", zero_division=1),
        "exact_match": exact_match,
        "average_precision": mean_average_precision,
    },
    "regression": {
        "pearson": correlation(stats.pearsonr),
        "spearman": correlation(stats.spearmanr),
        "mae": on_decisions(sk.mean_absolute_error),
        "rmse": on_decisions(sk.root_mean_squared_error),
    },
}


def score(
    logits: np.ndarray,
    label_ids: np.ndarray,
    task: LabelSpace,
    extra: ExtraMetric | None = None,
    objective: MeanLoss | None = None,
) -> dict[str, float]:
    """Every metric of a split, from all rows at once: logits [N, C], label_ids [N] or [N, C].

    `loss` is the plain mean over rows; `objective` is what training minimises, where it differs. If a model has
    diverged, every metric is nan.
    """
    if not np.isfinite(logits).all():
        return dict.fromkeys(metric_names(task, extra, objective), float("nan"))
    result = {"loss": float(task.row_losses(logits, label_ids).mean())}
    if objective and not objective.equals_val_loss:
        result["objective"] = objective.mean(logits, label_ids)
    references, predictions = task.in_units(label_ids), task.in_units(task.decide(logits))
    probabilities = task.probabilities(logits)
    result |= {name: metric(references, predictions, probabilities) for name, metric in METRICS[task.metrics].items()}
    if extra:
        result |= extra(references, predictions, probabilities)
    return {name: float(value) for name, value in result.items()}


def metric_names(
    task: LabelSpace, extra: ExtraMetric | None = None, objective: MeanLoss | None = None
) -> tuple[str, ...]:
    """The names of what `score` reports."""
    differs = ("objective",) if objective and not objective.equals_val_loss else ()
    return ("loss", *differs, *METRICS[task.metrics], *(extra.names if extra else ()))
