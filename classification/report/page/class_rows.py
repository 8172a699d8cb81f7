"""The table of classes: how often each is found, how often a prediction of it is right, and what it is taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classification.evaluation.intervals import exact_share
from classification.report.scored_rows import ScoredRows

# N rows, C classes.

FEW_ROWS = 20  # below, a share of the rows says little


@dataclass(frozen=True)
class Share:
    """A share with its 95% interval; `value` is None where there is nothing to count.

    >>> Share.of(9, 10).value
    0.9
    """

    count: int
    total: int
    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Share:
        """`count` of `total`, with the exact interval of Clopper and Pearson 1934."""
        if total == 0:
            return cls(0, 0, None, 0.0, 1.0)
        return cls(count, total, count / total, *exact_share(count, total))


@dataclass(frozen=True)
class ClassRow:
    """One class of the table.

    Args:
        rows: that have the class. predicted: rows for which it was predicted; None where that is unknown.
        precision: of the predicted rows, how many have it. recall: of its rows, how many are found.
        wrong_answer: what is predicted most often for its missed rows, and `wrong_count` how often; "" and 0 for none.
    """

    name: str
    rows: int
    predicted: int | None
    precision: Share
    recall: Share
    f1: float | None
    average_precision: float | None
    wrong_answer: str
    wrong_count: int

    @property
    def is_rare(self) -> bool:
        return self.rows < FEW_ROWS


def class_rows(rows: ScoredRows, names: Sequence[str], per_class: Mapping[str, Any]) -> list[ClassRow]:
    """The classes in the order of their ids; `per_class` of all_results.json knows the average precision of each."""
    matrix, totals, predicted = count_answers(rows, len(names))
    return make_rows(matrix, totals, predicted.tolist(), names, per_class)


def class_rows_of_figures(
    per_class: Mapping[str, Any], matrix: Sequence | None, names: Sequence[str]
) -> list[ClassRow]:
    """The same from all_results.json alone, where the predictions are not saved.

    Args:
        matrix: the confusion matrix [C, C]; None where a row can have several labels.
    """
    if matrix is not None:
        counts = np.array(matrix, dtype=np.int64)
        return make_rows(counts, counts.sum(axis=1), counts.sum(axis=0).tolist(), names, per_class)
    figures = [per_class.get(name) or {} for name in names]
    totals = np.array([figure.get("support") or 0 for figure in figures], dtype=np.int64)
    right = [round((figure.get("recall") or 0) * total) for figure, total in zip(figures, totals, strict=True)]
    predicted = [round(n / figure["precision"]) if n else None for n, figure in zip(right, figures, strict=True)]
    return make_rows(np.diag(right), totals, predicted, names, per_class)


def count_answers(rows: ScoredRows, num_labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers [C, C] per true class, rows per class [C] and predictions per class [C].

    Where a row has several labels, the diagonal holds the labels that were found. Beside it are the labels that were
    predicted wrongly in rows whose own label was missed.
    """
    if not rows.has_label_columns:
        flat = rows.truth * num_labels + rows.decisions
        matrix = np.bincount(flat, minlength=num_labels**2).reshape(num_labels, num_labels)
        return matrix, matrix.sum(axis=1), matrix.sum(axis=0)
    truth, decisions = rows.truth.astype(np.float64), rows.decisions.astype(np.float64)
    missed, false = truth * (1 - decisions), decisions * (1 - truth)
    matrix = (missed.T @ false).astype(np.int64)
    np.fill_diagonal(matrix, (truth * decisions).sum(axis=0))
    return matrix, truth.sum(axis=0).astype(np.int64), decisions.sum(axis=0).astype(np.int64)


def make_rows(
    matrix: np.ndarray,
    totals: np.ndarray,
    predicted: Sequence[int | None],
    names: Sequence[str],
    per_class: Mapping[str, Any],
) -> list[ClassRow]:
    wrong = matrix * (1 - np.eye(len(names), dtype=np.int64))
    likely = wrong.argmax(axis=1)
    rows = []
    for i, name in enumerate(names):
        right, total, answers, count = int(matrix[i, i]), int(totals[i]), predicted[i], int(wrong[i, likely[i]])
        rows.append(
            ClassRow(
                name=name,
                rows=total,
                predicted=answers,
                precision=Share.of(right, answers or 0),
                recall=Share.of(right, total),
                f1=2 * right / (total + (answers or 0)) if total or answers else None,
                average_precision=(per_class.get(name) or {}).get("average_precision"),
                wrong_answer=names[likely[i]] if count else "",
                wrong_count=count,
            )
        )
    return rows
