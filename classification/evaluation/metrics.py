"""Metrics, offline: an `evaluate.Metric` on scikit-learn for each kind of task, and any other metric by name."""

from __future__ import annotations

import os
from collections.abc import Callable

import evaluate
import numpy as np
from datasets import Features, List, Value
from scipy import stats
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin

from classification.data.labels import MULTI_LABEL, REGRESSION, SINGLE_LABEL, LabelSpace
from classification.errors import UsageError, did_you_mean, first_line, some
from classification.evaluation import decisions
from classification.training.objective import Objective

CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc", "average_precision")
MULTI_LABEL_METRICS = ("f1_micro", "f1_macro", "f1_weighted", "f1_samples", "exact_match", "average_precision")
REGRESSION_METRICS = ("pearson", "spearman", "mae", "rmse")
LOWER_IS_BETTER = ("loss", "objective", "mae", "rmse")


class ClassificationMetric(evaluate.Metric):
    """Accuracy, balanced accuracy, F1 (macro, micro, weighted) and Matthews correlation of predicted class ids.

    Balanced accuracy is the mean recall of the classes that occur in the references; F1 averages over the classes that
    occur in the references or the predictions.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _metric_info(self.__doc__, Value("int64"), "Pedregosa et al. 2011, Scikit-learn, JMLR 12, 2825-2830")

    def _compute(self, predictions, references) -> dict[str, float]:
        f1 = {
            f"f1_{average}": sk.f1_score(references, predictions, average=average, zero_division=0)
            for average in ("macro", "micro", "weighted")
        }
        present = sorted(set(references))
        return {
            "accuracy": sk.accuracy_score(references, predictions),
            "balanced_accuracy": sk.recall_score(references, predictions, labels=present, average="macro"),
            **f1,
            "mcc": sk.matthews_corrcoef(references, predictions),
        }


class MultiLabelMetric(evaluate.Metric):
    """F1 (micro, macro, weighted, samples) and the share of exactly right rows, of rows with several labels.

    Micro F1 counts all labels of all rows together; macro F1 is the mean over labels (those that neither occur nor are
    predicted are left out), weighted F1 by their rows; samples F1 is the mean over rows, and a row without labels for
    which none is predicted counts 1.
    """

    def _info(self) -> evaluate.MetricInfo:
        citation = "Pedregosa et al. 2011, Scikit-learn, JMLR 12, 2825-2830"
        return _metric_info(self.__doc__, List(Value("int8")), citation)

    def _compute(self, predictions, references) -> dict[str, float]:
        predictions, references = np.array(predictions), np.array(references)
        f1 = {
            f"f1_{average}": sk.f1_score(references, predictions, average=average, zero_division=nothing)
            for average, nothing in (("micro", np.nan), ("macro", np.nan), ("weighted", np.nan), ("samples", 1))
        }
        return {**f1, "exact_match": (predictions == references).all(axis=1).mean()}


class RegressionMetric(evaluate.Metric):
    """Pearson and Spearman correlation, mean absolute and root mean square error, in the label's own units.

    A correlation with a constant is undefined: nan.
    """

    def _info(self) -> evaluate.MetricInfo:
        citation = "Virtanen et al. 2020, SciPy 1.0, Nature Methods 17, 261-272"
        return _metric_info(self.__doc__, Value("float64"), citation)

    def _compute(self, predictions, references) -> dict[str, float]:
        constant = len(set(predictions)) < 2 or len(set(references)) < 2
        return {
            "pearson": float("nan") if constant else stats.pearsonr(predictions, references).statistic,
            "spearman": float("nan") if constant else stats.spearmanr(predictions, references).statistic,
            "mae": sk.mean_absolute_error(references, predictions),
            "rmse": sk.root_mean_squared_error(references, predictions),
        }


# problem_type -> its metric, their names without the loss, and the one beside the loss in an epoch's line.
TASKS = {
    SINGLE_LABEL: (ClassificationMetric, CLASS_METRICS, "accuracy"),
    MULTI_LABEL: (MultiLabelMetric, MULTI_LABEL_METRICS, "f1_micro"),
    REGRESSION: (RegressionMetric, REGRESSION_METRICS, "rmse"),
}


def headline(labels: LabelSpace) -> str:
    """The figure that people look at first."""
    return TASKS[labels.problem_type][2]


def _metric_info(description: str, feature, citation: str) -> evaluate.MetricInfo:
    features = Features({"predictions": feature, "references": feature})
    inputs = "predictions and references: one value (or one list of 0 and 1) a row"
    return evaluate.MetricInfo(
        description=description, citation=citation, inputs_description=inputs, features=features
    )  # fmt: skip


def score(
    logits: np.ndarray,
    label_ids: np.ndarray,
    labels: LabelSpace,
    extra: Callable | None = None,
    objective: Objective | None = None,
) -> dict[str, float]:
    """Every scalar metric of a split, from all rows at once: logits [B, C], label_ids [B] ([B, C] for several labels).

    `loss` is the plain mean over rows; `objective` is what training minimises, where it differs. Of a model that has
    diverged, every figure is nan.
    """
    if not np.isfinite(logits).all():
        return dict.fromkeys(metric_names(labels, extra, objective), float("nan"))
    result = {"loss": float(decisions.row_losses(logits, label_ids, labels).mean())}
    if objective and not objective.is_val_loss:
        result["objective"] = objective.mean(logits, label_ids)
    predictions, references = decisions.decide(logits, labels), label_ids
    if labels.is_regression:
        predictions, references = (values * labels.std + labels.mean for values in (predictions, references))
        scores = None
    else:
        predictions, references = predictions.astype(np.int64), references.astype(np.int64)
        scores = decisions.probabilities(logits, labels)
    metric = TASKS[labels.problem_type][0](keep_in_memory=True)
    result |= metric.compute(predictions=predictions, references=references)
    if scores is not None:
        result["average_precision"] = float(np.nanmean(average_precisions(scores, references, labels)))
    if extra:
        result |= extra(references, predictions, scores)
    return {name: float(value) for name, value in result.items()}


def average_precisions(scores: np.ndarray, references: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Average precision of each class against the rest, float64 [C]; nan for one that no reference has, and for a
    model that has diverged.

    Their mean is `average_precision`, in several-label tasks known as mean average precision.
    """
    truth = references if labels.is_multi_label else references[:, None] == np.arange(labels.num_labels)
    return np.array(
        [
            sk.average_precision_score(truth[:, i], scores[:, i])
            if truth[:, i].any() and np.isfinite(scores).all()
            else np.nan
            for i in range(labels.num_labels)
        ]
    )


def per_class(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> dict:
    """Precision, recall, F1, support and average precision by class name (and the threshold, with several labels a
    row); with one label a row also the confusion matrix [C, C] (rows: true class)."""
    predictions, references = decisions.decide(logits, labels).astype(np.int64), label_ids.astype(np.int64)
    ids = range(labels.num_labels)
    columns = dict(
        zip(
            ("precision", "recall", "f1", "support"),
            sk.precision_recall_fscore_support(references, predictions, labels=ids, zero_division=0),
            strict=True,
        )
    )
    columns["support"] = columns["support"].astype(np.int64)  # scikit-learn makes it float where nothing is right
    scores = decisions.probabilities(logits, labels)
    columns["average_precision"] = average_precisions(scores, references, labels)
    if labels.is_multi_label:
        columns["threshold"] = np.array(labels.thresholds)
    table = {
        label: {name: values[i].item() for name, values in columns.items()} for i, label in enumerate(labels.names)
    }
    if labels.is_multi_label:
        return {"per_class": table}
    return {
        "per_class": table,
        "confusion_matrix": sk.confusion_matrix(references, predictions, labels=ids).tolist(),
    }


def score_labelled(logits: np.ndarray, given: list, labels: LabelSpace, *more) -> dict:
    """Metrics and, for classes, the per-class table of the rows whose label in `given` is not None; `more` as for
    `score`."""
    rows = [row for row, label in enumerate(given) if label is not None]
    if not rows:
        return {"scored": 0}
    label_ids = np.array([given[row] for row in rows])
    result = score(logits[rows], label_ids, labels, *more)
    if not labels.is_regression:
        result |= per_class(logits[rows], label_ids, labels)
    return result | {"scored": len(rows)}


def metric_names(
    labels: LabelSpace, extra: Callable | None = None, objective: Objective | None = None
) -> tuple[str, ...]:
    """The names of what `score` reports."""
    differs = ("objective",) if objective and not objective.is_val_loss else ()
    return ("loss", *differs, *TASKS[labels.problem_type][1], *(probe(extra, labels) if extra else ()))


def check_best_metric(name: str, extra: Callable | None, objective: Objective) -> None:
    """Refuse a `--metric_for_best_model` that no evaluation will report, before training."""
    known = metric_names(objective.labels, extra, objective)
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
    sure = np.repeat(np.eye(labels.num_labels), 2, axis=0)  # [2 C, C]
    references = sure.astype(np.int64) if labels.is_multi_label else sure.argmax(axis=1)
    return extra(references, references, decisions.probabilities(sure, labels))


class _Known(ClassifierMixin, BaseEstimator):
    def __init__(self, predictions, scores, classes):
        self.predictions, self.scores, self.classes_ = predictions, scores, classes

    def predict(self, rows):
        return self.predictions[rows]

    def predict_proba(self, rows):
        return self.scores[rows]
