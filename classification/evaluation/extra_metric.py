"""`--metric_name`: one metric more, from scikit-learn's scorers (offline) or from the `evaluate` library."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import evaluate
import numpy as np
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin

from classification.data.labels import LabelSpace
from classification.errors import UsageError, did_you_mean, first_line, join_first
from classification.evaluation.metrics import ExtraMetric, MeanLoss, metric_names

# N rows, C classes.


Compute = Callable[[np.ndarray, np.ndarray, Any], dict[str, Any]]


@dataclass(frozen=True)
class LoadedMetric:
    """An `ExtraMetric`: `compute` and the names of what it returns."""

    compute: Compute
    names: tuple[str, ...]

    def __call__(
        self, references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, /
    ) -> dict[str, Any]:
        return self.compute(references, predictions, probabilities)


def load_metric(name: str | None, task: LabelSpace) -> LoadedMetric | None:
    """The metric that `--metric_name` adds; None without a name, or if it is reported anyway.

    Raises:
        UsageError: no such metric, it cannot score this task, or a file of that name in the working directory would
            be executed.
    """
    known = metric_names(task)
    if name is None or name in known:
        return None
    compute = load_scorer(name, task) if name in sk.get_scorer_names() else load_from_evaluate(name, known)
    try:
        names = tuple(try_out(compute, task))
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--metric_name {name}: cannot score this task ({task.describe()}): {first_line(error)} Choose "
            "another, such as balanced_accuracy or roc_auc_ovr for classes, r2 for regression."
        ) from error
    return LoadedMetric(compute, names)


def load_scorer(name: str, task: LabelSpace) -> Compute:
    """A scikit-learn scorer. It asks an estimator for predictions; `KnownAnswers` has them already."""
    scorer = sk.get_scorer(name)

    def compute(references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None) -> dict[str, Any]:
        answers = KnownAnswers(predictions, probabilities, np.arange(task.num_labels))
        return {name: scorer(answers, np.arange(len(references)), references)}

    return compute


def load_from_evaluate(name: str, known: tuple[str, ...]) -> Compute:
    """A metric of the `evaluate` library."""
    if os.sep not in name and (os.path.exists(name) or os.path.exists(f"{name}.py")):
        raise UsageError(
            f"--metric_name {name}: the working directory has a file or folder of that name, and evaluate would "
            f"execute it. Write .{os.sep}{name} if you mean it, or run from another directory."
        )
    try:
        metric = evaluate.load(name, keep_in_memory=True)
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"--metric_name {name}: unknown metric. Give a scikit-learn scorer, such as roc_auc_ovr, "
            f"or a metric of evaluate; {join_first(known, 9)} are reported anyway."
            + did_you_mean(name, (*known, *sk.get_scorer_names()))
        ) from error
    return lambda references, predictions, _: metric.compute(predictions=predictions, references=references)


def try_out(compute: Compute, task: LabelSpace) -> dict[str, Any]:
    """Score two made-up rows of every class: a metric that does not fit the task fails here, not after an epoch."""
    if task.num_labels == 1:
        return compute(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.5]), None)
    certain = 2 * np.repeat(np.eye(task.num_labels), 2, axis=0) - 1  # logits [2 C, C], 1 for one class and -1 elsewhere
    references = task.in_units(task.untuned().decide(certain))
    return compute(references, references, task.probabilities(certain))


class KnownAnswers(ClassifierMixin, BaseEstimator):
    """An estimator that returns what is already known, by row number."""

    def __init__(self, predictions: np.ndarray, probabilities: np.ndarray | None, classes: np.ndarray):
        self.predictions, self.probabilities, self.classes_ = predictions, probabilities, classes

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.predictions[rows]

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        if self.probabilities is None:
            raise ValueError("The task has no probabilities.")
        return self.probabilities[rows]


def check_best_metric(name: str, task: LabelSpace, extra: ExtraMetric | None, objective: MeanLoss) -> None:
    """Refuse a `--metric_for_best_model` that no evaluation will report, before training."""
    known = metric_names(task, extra, objective)
    if name.removeprefix("eval_") not in known:
        raise UsageError(
            f"--metric_for_best_model {name}: is not reported by this run. Choose one of {join_first(known, 12)}."
            + did_you_mean(name, known)
            + " Any other can be added with --metric_name."
        )
