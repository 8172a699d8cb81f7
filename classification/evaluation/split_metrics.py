"""The metrics of a split whose rows may lack labels, and its table of classes."""

from __future__ import annotations

import numpy as np
from sklearn import metrics as sk

from classification.data.labels import LabelSpace
from classification.evaluation.collapse import find_collapse
from classification.evaluation.metrics import average_precisions, score
from classification.evaluation.score_protocols import ExtraMetric, MeanLoss

# N rows, C classes.

UNDEFINED = {  # metrics that some rows do not allow -> why
    **dict.fromkeys(("pearson", "spearman"), "all predictions or all labels are equal"),
    **dict.fromkeys(("f1_micro", "f1_macro", "f1_weighted"), "no row has a label, and none is predicted"),
    "average_precision": "no row has a label",
    "mcc": "all labels are equal",
}
MOST_CLASSES = 1000  # of a confusion matrix, which is written to all_results.json cell by cell: 11 MB per split


def per_class(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> dict:
    """Precision, recall, F1, support and average precision by class name, and the threshold where there is one.

    With one class per row also `confusion_matrix` [C, C] (rows: true class), of at most `MOST_CLASSES` classes. Empty
    for a task without probabilities.
    """
    probabilities = task.probabilities(logits)
    if probabilities is None:
        return {}
    references, predictions = task.in_units(label_ids), task.in_units(task.decide(logits))
    ids = range(task.num_labels)
    values = sk.precision_recall_fscore_support(references, predictions, labels=ids, zero_division=0)
    columns = dict(zip(("precision", "recall", "f1", "support"), values, strict=True))
    columns["support"] = columns["support"].astype(np.int64)  # scikit-learn returns float if no row is correct
    columns["average_precision"] = average_precisions(references, probabilities)
    if task.thresholds:
        columns["threshold"] = np.array(task.thresholds)
    rows = {label: {name: column[i].item() for name, column in columns.items()} for i, label in enumerate(task.names)}
    if references.ndim == 2 or task.num_labels > MOST_CLASSES:
        return {"per_class": rows}
    return {"per_class": rows, "confusion_matrix": sk.confusion_matrix(references, predictions, labels=ids).tolist()}


def score_labelled(
    logits: np.ndarray,
    label_ids: list,
    task: LabelSpace,
    extra: ExtraMetric | None = None,
    objective: MeanLoss | None = None,
) -> dict:
    """Metrics and the per-class table of the rows whose label id is not None, and how many these are (`scored`).

    `not_computed` has the reasons for metrics that are nan, and `collapsed` the reason where the model has collapsed.
    """
    rows = [row for row, label in enumerate(label_ids) if label is not None]
    if not rows:
        return {"scored": 0}
    logits, given = logits[rows], np.array([label_ids[row] for row in rows])
    metrics = score(logits, given, task, extra, objective)
    reasons, collapse = reasons_for_nan(metrics, extra), find_collapse(logits, given, task)
    return {
        **metrics,
        **per_class(logits, given, task),
        "scored": len(rows),
        **({"not_computed": reasons} if reasons else {}),
        **({"collapsed": collapse} if collapse else {}),
    }


def reasons_for_nan(metrics: dict[str, float], extra: ExtraMetric | None) -> dict[str, str]:
    """Why metrics are nan, by name."""
    known = UNDEFINED | getattr(extra, "reasons", {})
    return {name: known.get(name, "it is undefined here") for name, value in metrics.items() if np.isnan(value)}
