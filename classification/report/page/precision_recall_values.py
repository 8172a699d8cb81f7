"""Precision and recall at every threshold: of one class, of several, and of all labels pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve

from classification.report.page.confidence_values import thin
from classification.report.scored_rows import ScoredRows

# N scored rows, C labels, P points of a curve.

MOST_PANELS = 12  # labels with a plot of their own
WORST = 3  # classes beside the pooled curve
MOST_POOLED = 1_000_000  # answers in the pooled curve


@dataclass(frozen=True)
class Curve:
    """Precision against recall.

    Args:
        name: of the class; "" is all classes pooled.
        recall, precision: [P], from no answer to all.
        share: of the rows that have the class, which is the precision of answering it for every row.
        average_precision: the area below the curve in steps.
        chosen: recall and precision of the decisions; None where nothing was predicted.
        points: recall and precision of confidences that were chosen on validation.
    """

    name: str
    recall: np.ndarray
    precision: np.ndarray
    share: float
    average_precision: float
    chosen: tuple[float, float] | None
    points: tuple[tuple[float, float], ...] = ()


def make_curve(name: str, truth: np.ndarray, decided: np.ndarray, probabilities: np.ndarray) -> Curve | None:
    """The curve of bool [N] truth and decisions; None where no row, or every row, has the class."""
    if not truth.any() or truth.all():
        return None
    precision, recall, _ = precision_recall_curve(truth, probabilities, drop_intermediate=True)
    precision, recall = precision[::-1], recall[::-1]
    area = float((np.diff(recall) * precision[1:]).sum())  # as scikit-learn defines it
    places = thin(recall)
    right = int((truth & decided).sum())
    return Curve(
        name=name,
        recall=recall[places],
        precision=precision[places],
        share=float(truth.mean()),
        average_precision=area,
        chosen=(right / int(truth.sum()), right / int(decided.sum())) if decided.any() else None,
    )


def class_curve(rows: ScoredRows, place: int, name: str) -> Curve | None:
    """The curve of one class or label against the rest."""
    assert rows.probabilities is not None, "the task has probabilities"
    truth, decided = (
        values[:, place].astype(bool) if rows.has_label_columns else values == place
        for values in (rows.truth, rows.decisions)
    )
    return make_curve(name, truth, decided, rows.probabilities[:, place])


def pooled_curve(rows: ScoredRows) -> Curve | None:
    """The curve of every label of every row. Of very many, a sample with equal distances is used."""
    assert rows.probabilities is not None, "the task has probabilities"
    columns = rows.probabilities.shape[1]
    step = max(1, -(-rows.probabilities.size // MOST_POOLED))
    truth, decided = (
        (values[::step] if rows.has_label_columns else values[::step, None] == np.arange(columns)).astype(bool).ravel()
        for values in (rows.truth, rows.decisions)
    )
    return make_curve("", truth, decided, rows.probabilities[::step].ravel())


def weakest_first(average_precision: Sequence[float | None]) -> list[int]:
    """Classes by average precision, the lowest first; those without one are left out."""
    known = [(value, place) for place, value in enumerate(average_precision) if value is not None]
    return [place for _, place in sorted(known)]
