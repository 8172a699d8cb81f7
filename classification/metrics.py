"""Metrics, offline: an `evaluate.Metric` on scikit-learn, and any other metric by name."""

from __future__ import annotations

import os
from collections.abc import Callable

import evaluate
import numpy as np
from datasets import Features, Value
from scipy import stats
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin
from transformers import EvalPrediction

from classification import decisions
from classification.errors import UsageError, did_you_mean, first_line, some
from classification.labels import LabelSpace

CLASS_METRICS = ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc")
REGRESSION_METRICS = ("pearson", "spearman", "mae", "rmse")
LOWER_IS_BETTER = ("loss", "mae", "rmse")


class ClassificationMetric(evaluate.Metric):
    """Accuracy, F1 (macro, micro, weighted) and Matthews correlation of predicted class ids.

    F1 averages over the classes that occur in the references or the predictions.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _metric_info(self.__doc__, "int64", "Pedregosa et al. 2011, Scikit-learn, JMLR 12, 2825-2830")

    def _compute(self, predictions, references) -> dict[str, float]:
        f1 = {
            f"f1_{average}": sk.f1_score(references, predictions, average=average, zero_division=0)
            for average in ("macro", "micro", "weighted")
        }
        accuracy = sk.accuracy_score(references, predictions)
        return {"accuracy": accuracy, **f1, "mcc": sk.matthews_corrcoef(references, predictions)}


class RegressionMetric(evaluate.Metric):
    """Pearson and Spearman correlation, mean absolute and root mean square error, in the label's own units.

    A correlation with a constant is undefined: nan.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _metric_info(self.__doc__, "float64", "Virtanen et al. 2020, SciPy 1.0, Nature Methods 17, 261-272")

    def _compute(self, predictions, references) -> dict[str, float]:
        constant = len(set(predictions)) < 2 or len(set(references)) < 2
        return {
            "pearson": float("nan") if constant else stats.pearsonr(predictions, references).statistic,
            "spearman": float("nan") if constant else stats.spearmanr(predictions, references).statistic,
            "mae": sk.mean_absolute_error(references, predictions),
            "rmse": sk.root_mean_squared_error(references, predictions),
        }


def _metric_info(description: str, dtype: str, citation: str) -> evaluate.MetricInfo:
    features = Features({"predictions": Value(dtype), "references": Value(dtype)})
    inputs = "predictions and references: one value a row"
    return evaluate.MetricInfo(
        description=description, citation=citation, inputs_description=inputs, features=features
    )  # fmt: skip


def score(
    logits: np.ndarray,
    label_ids: np.ndarray,
    labels: LabelSpace,
    extra: Callable | None = None,
    *,
    label_smoothing: float = 0.0,
) -> dict[str, float]:
    """Every scalar metric of a split, from all rows at once: logits [B, C], label_ids [B].

    `loss` is the plain mean over rows; `objective` is what training minimises, where it differs.
    """
    result = {"loss": float(decisions.row_losses(logits, label_ids, labels).mean())}
    if label_smoothing and not labels.is_regression:
        uniform = -decisions.log_softmax(logits).mean()
        result["objective"] = (1 - label_smoothing) * result["loss"] + label_smoothing * float(uniform)
    predictions = decisions.decide(logits, labels)
    if labels.is_regression:
        references = label_ids * labels.std + labels.mean
        result |= RegressionMetric(keep_in_memory=True).compute(predictions=predictions, references=references)
    else:
        references = label_ids.astype(np.int64)
        result |= ClassificationMetric(keep_in_memory=True).compute(predictions=predictions, references=references)
    if extra:
        scores = decisions.probabilities(logits) if not labels.is_regression else None
        result |= extra(references, predictions, scores)
    return {name: float(value) for name, value in result.items()}


def compute_metrics_for(
    labels: LabelSpace, extra: Callable | None = None, *, label_smoothing: float = 0.0
) -> Callable[[EvalPrediction], dict]:
    """`compute_metrics` for the Trainer. Its key `loss` becomes eval_loss and replaces the Trainer's own figure,
    which is a mean of batch means: wrong for uneven batches, and multiplied by the processes under DDP."""
    return lambda evaluation: score(
        evaluation.predictions, evaluation.label_ids, labels, extra, label_smoothing=label_smoothing
    )


def per_class(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> dict:
    """Precision, recall, F1 and support by class name, and the confusion matrix [C, C] (rows: true class)."""
    predictions, references = decisions.decide(logits, labels), label_ids.astype(np.int64)
    ids = range(labels.num_labels)
    table = zip(*sk.precision_recall_fscore_support(references, predictions, labels=ids, zero_division=0), strict=True)
    names = ("precision", "recall", "f1", "support")
    return {
        "per_class": {
            label: {name: value.item() for name, value in zip(names, row, strict=True)}
            for label, row in zip(labels.names, table, strict=True)
        },
        "confusion_matrix": sk.confusion_matrix(references, predictions, labels=ids).tolist(),
    }


def score_labelled(logits: np.ndarray, given: list, labels: LabelSpace, extra: Callable | None = None) -> dict:
    """Metrics and, for classes, the per-class table of the rows whose label in `given` is not None."""
    rows = [row for row, label in enumerate(given) if label is not None]
    if not rows:
        return {"scored": 0}
    label_ids = np.array([given[row] for row in rows])
    result = score(logits[rows], label_ids, labels, extra)
    if not labels.is_regression:
        result |= per_class(logits[rows], label_ids, labels)
    return result | {"scored": len(rows)}


def metric_names(labels: LabelSpace) -> tuple[str, ...]:
    return ("loss", *(REGRESSION_METRICS if labels.is_regression else CLASS_METRICS))


def check_best_metric(name: str, labels: LabelSpace, extra: Callable | None) -> None:
    """Refuse a `--metric_for_best_model` that no evaluation will report, before training."""
    known = metric_names(labels) + (tuple(probe(extra, labels)) if extra else ())
    if name.removeprefix("eval_") not in known:
        raise UsageError(
            f"--metric_for_best_model {name}: is not reported; there are {some(known, 12)}."
            + did_you_mean(name, known)
            + " Any other can be added with --metric_name."
        )


def load_metric(name: str | None, labels: LabelSpace) -> Callable | None:
    """A metric beyond our own for `--metric_name`: a scikit-learn scorer (offline), else `evaluate.load(name)`.

    Returns None where there is no `name` or it is among our own. The function takes (references, predictions,
    probabilities) and returns a dict.

    Raises:
        UsageError: nobody knows the name, or a file of that name in the working directory would be executed.
    """
    if name is None or name in metric_names(labels):
        return None
    if name in sk.get_scorer_names():
        scorer = sk.get_scorer(name)

        def scored(references, predictions, scores) -> dict:
            # Scorers ask an estimator; this one answers with what is already known, row by row.
            known = _Known(predictions, scores, np.arange(labels.num_labels))
            return {name: scorer(known, np.arange(len(references)), references)}

        return _checked(scored, name, labels)
    if os.sep not in name and (os.path.exists(name) or os.path.exists(f"{name}.py")):
        raise UsageError(
            f"--metric_name {name}: the working directory holds a file or folder of that name, which evaluate would "
            f"execute. Write .{os.sep}{name} if you mean it, or run from elsewhere."
        )
    try:
        metric = evaluate.load(name, keep_in_memory=True)
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"--metric_name {name}: neither one of {some(metric_names(labels), 9)}, nor a scikit-learn scorer "
            f"(such as balanced_accuracy or roc_auc_ovr), nor a metric that evaluate can load."
            + did_you_mean(name, (*metric_names(labels), *sk.get_scorer_names()))
        ) from error

    return _checked(
        lambda references, predictions, _: metric.compute(predictions=predictions, references=references), name, labels
    )


def _checked(extra: Callable, name: str, labels: LabelSpace) -> Callable:
    try:
        probe(extra, labels)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--metric_name {name}: cannot score this task ({labels.describe()}): {first_line(error)} Choose "
            "another, such as balanced_accuracy or roc_auc_ovr for classes, r2 for regression."
        ) from error
    return extra


def probe(extra: Callable, labels: LabelSpace) -> dict:
    """What a metric says of two made-up rows of every class: an unfit one fails here, not after the first epoch."""
    if labels.is_regression:
        return extra(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.5]), None)
    references = np.repeat(np.arange(labels.num_labels), 2)
    scores = decisions.probabilities(np.eye(labels.num_labels)[references])
    return extra(references, references, scores)


class _Known(ClassifierMixin, BaseEstimator):
    def __init__(self, predictions, scores, classes):
        self.predictions, self.scores, self.classes_ = predictions, scores, classes

    def predict(self, rows):
        return self.predictions[rows]

    def predict_proba(self, rows):
        return self.scores[rows]
