"""`--metric_name`: one metric more, from scikit-learn's scorers, or trusted code of the `evaluate` library."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import evaluate
import numpy as np
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin

from classification.data.labels import LabelSpace
from classification.errors import UsageError, did_you_mean, first_line, join_first
from classification.evaluation.metrics import metric_names, score
from classification.evaluation.score_protocols import ExtraMetric, MeanLoss

# N rows, C classes.


Compute = Callable[[np.ndarray, np.ndarray, Any], dict[str, Any]]


@dataclass(frozen=True)
class LoadedMetric:
    """An `ExtraMetric`: `compute` and the names of what it returns.

    A metric that the rows do not allow, such as one over classes of which some are missing, is nan. `reasons` then has
    the reason, by name, until the next call.
    """

    compute: Compute
    names: tuple[str, ...]
    reasons: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, /
    ) -> dict[str, float]:
        self.reasons.clear()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                values = self.compute(references, predictions, probabilities)
            numbers = {name: float(values[name]) for name in self.names}
            undefined = ValueError("it is not a number for these rows.")
            reason = first_line(Exception(caught[-1].message) if caught else undefined)
        except Exception as error:  # whatever a metric raises must not cost the trained model
            numbers, reason = dict.fromkeys(self.names, math.nan), first_line(error)
        self.reasons.update((name, reason) for name, value in numbers.items() if math.isnan(value))
        return numbers


def load_metric(name: str | None, task: LabelSpace, *, trusted: bool = False) -> LoadedMetric | None:
    """The metric that `--metric_name` adds; None without a name, or if it is reported anyway.

    Args:
        trusted: whether code from a path or from the Hub may run (`--trust_remote_code`).

    Raises:
        UsageError: no such metric, it cannot score this task, or it is code that is not trusted.
    """
    known = metric_names(task)
    if name is None or name in known:
        return None
    is_scorer = name in sk.get_scorer_names()
    compute = load_scorer(name, task) if is_scorer else load_from_evaluate(name, known, trusted=trusted)
    try:
        with warnings.catch_warnings(action="ignore"):
            names = tuple(name for name, value in try_out(compute, task).items() if math.isfinite(float(value)))
        if not names:
            raise ValueError("it gives no number.")
    except Exception as error:  # whatever a metric raises
        raise UsageError(
            f"--metric_name {name}: cannot score this task ({task.describe()}): {first_line(error)} Choose "
            "another, such as balanced_accuracy or roc_auc_ovr for classes, r2 for regression."
        ) from error
    return LoadedMetric(compute, names)


def load_scorer(name: str, task: LabelSpace) -> Compute:
    """A scikit-learn scorer. It asks an estimator for predictions; `KnownAnswers` has them already."""
    scorer = sk.get_scorer(name)

    def compute(references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None) -> dict[str, Any]:
        count = task.num_labels  # with several labels per row, each is a question with the answers 0 and 1
        classes = np.tile([0, 1], (count, 1)) if references.ndim == 2 else np.arange(count)
        answers = KnownAnswers(predictions, probabilities, classes)
        return {name: scorer(answers, np.arange(len(references)), references)}

    return compute


def load_from_evaluate(name: str, known: tuple[str, ...], *, trusted: bool) -> Compute:
    """A metric of the `evaluate` library, which is code: a path that begins with . or /, or a name on the Hub.

    Raises:
        UsageError: the code is not trusted, or a name would execute a file of the working directory.
    """
    hint = did_you_mean(name, (*known, *sk.get_scorer_names()))
    if not trusted:
        raise UsageError(
            f"--metric_name {name}: is not a scorer of scikit-learn, and a metric of evaluate is code that would be "
            "executed. Choose a scorer, such as roc_auc_ovr, or pass --trust_remote_code true if you have read that "
            f"code; {join_first(known, 9)} are reported anyway.{hint}"
        )
    check_metric_path(name)
    try:
        metric = evaluate.load(name, keep_in_memory=True)
    except Exception as error:  # whatever that code raises
        raise UsageError(
            f"--metric_name {name}: cannot be loaded: {first_line(error)} Give a scikit-learn scorer, such as "
            f"roc_auc_ovr, or a metric of evaluate; {join_first(known, 9)} are reported anyway.{hint}"
        ) from error
    return lambda references, predictions, _: metric.compute(predictions=predictions, references=references)


def check_metric_path(name: str) -> None:
    """Refuse a path to nothing, and a name on the Hub that evaluate would look up in the working directory first."""
    is_path = name.startswith(".") or os.path.isabs(name)
    exists = os.path.exists(name) or os.path.exists(f"{name}.py")
    if is_path and not exists:
        raise UsageError(f"--metric_name {name}: there is no such file or folder.")
    if exists and not is_path:
        raise UsageError(
            f"--metric_name {name}: the working directory has a file or folder of that name, and evaluate would "
            f"execute it. Write .{os.sep}{name} if you mean it, or run from another directory."
        )


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


def check_best_metric(
    name: str, task: LabelSpace, extra: ExtraMetric | None, objective: MeanLoss, validation: Sequence | None = None
) -> None:
    """Refuse a `--metric_for_best_model` that no evaluation will report, before training.

    Args:
        validation: the label ids of the rows that choose the checkpoint; made-up predictions are scored on them.
    """
    known, name = metric_names(task, extra, objective), name.removeprefix("eval_")
    if name not in known:
        raise UsageError(
            f"--metric_for_best_model {name}: is not reported by this run. Choose one of {join_first(known, 12)}."
            + did_you_mean(name, known)
            + " Any other can be added with --metric_name."
        )
    if name in ("loss", "objective") or validation is None:
        return
    label_ids = np.asarray(validation)
    logits = np.random.default_rng(0).normal(size=(len(label_ids), task.num_labels))
    with warnings.catch_warnings(action="ignore"):
        value = score(logits, label_ids, task, extra)[name]
    if not math.isfinite(value):
        reason = getattr(extra, "reasons", {}).get(name, "it is not a number for these labels.")
        raise UsageError(
            f"--metric_for_best_model {name}: cannot be computed on the {len(label_ids)} rows of validation: {reason} "
            "Choose another, such as loss, or give a --validation_file with enough rows of every label."
        )
