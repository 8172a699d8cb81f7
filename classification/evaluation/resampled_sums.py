"""Metrics that are made of sums over rows: resampling rows is resampling the summands, which takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from classification.data.labels import LabelSpace
from classification.evaluation.labelled_rows import LabelledRows

# N rows, K kinds of rows, C classes, R resamples.

KINDS_AT_A_TIME = 10_000  # rows of indicators in memory together


@dataclass(frozen=True)
class DecisionSums:
    """Sums over the rows of each resample, from which every metric of decisions follows.

    Args:
        right, predicted, given: rows per class that have it rightly, in the decision, and in the label, [R, C].
        exact: rows that are all right; row_f1: the sum of every row's own F1; rows: their number, [R].
    """

    right: np.ndarray
    predicted: np.ndarray
    given: np.ndarray
    exact: np.ndarray
    row_f1: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray) -> DecisionSums:
        """From sums [R, 3 C + 3] of the columns of `decision_summands`."""
        classes = (sums.shape[1] - 3) // 3
        parts = [sums[:, start * classes : (start + 1) * classes] for start in range(3)]
        return cls(*parts, *sums[:, -3:].T)

    @property
    def class_f1(self) -> np.ndarray:
        """F1 per class, [R, C]; nan for a class that neither occurs nor is predicted."""
        return ratio(2 * self.right, self.predicted + self.given)

    def with_share_right(self, share: float) -> DecisionSums:
        """The sums if `share` of the rows of each class were right. The others lack it; where every row has one class
        and one decision, they have another class."""
        right, rows = share * self.given, self.given.sum(axis=1, keepdims=True)
        has_one = (rows[:, 0] == self.rows).all() and (self.predicted.sum(axis=1) == self.rows).all()
        others = (rows - self.given) / max(self.given.shape[1] - 1, 1) if has_one else 0.0
        shares = share * self.rows
        return DecisionSums(right, right + (1 - share) * others, self.given, shares, shares, self.rows)


@dataclass(frozen=True)
class NumberSums:
    """Sums over the rows of each resample, [R]: of numbers that are centred, of their squares and their errors."""

    given: np.ndarray
    predicted: np.ndarray
    given_squares: np.ndarray
    predicted_squares: np.ndarray
    products: np.ndarray
    absolute_errors: np.ndarray
    squared_errors: np.ndarray
    rows: np.ndarray


def ratio(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """`counts / totals`, nan where a total is 0."""
    return np.divide(counts, totals, out=np.full(np.shape(counts), np.nan), where=totals != 0)


def mean_defined(values: np.ndarray) -> np.ndarray:
    """The mean over the classes [R, C] that have a value; nan where none has."""
    return ratio(np.nansum(values, axis=1), np.isfinite(values).sum(axis=1))


def matthews(sums: DecisionSums) -> np.ndarray:
    """Matthews' correlation of several classes (Gorodkin 2004); 0 for equal predictions, nan for equal labels."""
    rows, right = sums.rows, sums.right.sum(axis=1)
    spread = rows**2 - (sums.predicted**2).sum(axis=1), rows**2 - (sums.given**2).sum(axis=1)
    top = right * rows - (sums.predicted * sums.given).sum(axis=1)
    value = ratio(top, np.sqrt(np.maximum(spread[0] * spread[1], 0)))
    return np.where(spread[1] <= 0, np.nan, np.where(spread[0] <= 0, 0.0, value))


def pearson(sums: NumberSums) -> np.ndarray:
    """Pearson's correlation; nan where one side is constant."""
    rows = sums.rows
    top = rows * sums.products - sums.given * sums.predicted
    spread = rows * sums.given_squares - sums.given**2, rows * sums.predicted_squares - sums.predicted**2
    return ratio(top, np.sqrt(np.maximum(spread[0], 0) * np.maximum(spread[1], 0)))


DECISION_METRICS: dict[str, Callable[[DecisionSums], np.ndarray]] = {
    "accuracy": lambda sums: sums.exact / sums.rows,
    "exact_match": lambda sums: sums.exact / sums.rows,
    "balanced_accuracy": lambda sums: mean_defined(ratio(sums.right, sums.given)),
    "f1_macro": lambda sums: mean_defined(sums.class_f1),
    "f1_micro": lambda sums: ratio(2 * sums.right.sum(axis=1), (sums.predicted + sums.given).sum(axis=1)),
    "f1_samples": lambda sums: sums.row_f1 / sums.rows,
    "mcc": matthews,
}
NUMBER_METRICS: dict[str, Callable[[NumberSums], np.ndarray]] = {
    "pearson": pearson,
    "mae": lambda sums: sums.absolute_errors / sums.rows,
    "rmse": lambda sums: np.sqrt(sums.squared_errors / sums.rows),
}


def decision_kinds(rows: LabelledRows) -> tuple[np.ndarray, np.ndarray]:
    """Rows with equal labels and decisions are of one kind: the kind of each row [N], and a row of each kind [K]."""
    sides = [side.reshape(len(rows), -1) for side in (rows.references, rows.predictions)]
    if sides[0].shape[1] > 1:
        bits = np.packbits(np.concatenate(sides, axis=1) > 0, axis=1)
        keys = np.ascontiguousarray(bits).view([("", bits.dtype)] * bits.shape[1]).ravel()
    else:
        keys = sides[0][:, 0] * (int(sides[1].max()) + 1) + sides[1][:, 0]
    _, firsts, kinds = np.unique(keys, return_index=True, return_inverse=True)
    return kinds.ravel(), firsts


def decision_summands(references: np.ndarray, predictions: np.ndarray, task: LabelSpace) -> sparse.csr_matrix:
    """What each kind of row adds to `DecisionSums`, [K, 3 C + 3]."""
    parts = []
    for start in range(0, len(references), KINDS_AT_A_TIME):
        some = slice(start, start + KINDS_AT_A_TIME)
        given, predicted = task.indicators(references[some]), task.indicators(predictions[some])
        right, either = given * predicted, given.sum(axis=1) + predicted.sum(axis=1)
        exact = (given == predicted).all(axis=1)
        row_f1 = np.where(either > 0, 2 * right.sum(axis=1) / np.maximum(either, 1), 1.0)
        sums = np.stack([exact, row_f1, np.ones(len(given))], axis=1)
        parts.append(sparse.csr_matrix(np.concatenate([right, predicted, given, sums], axis=1)))
    return sparse.vstack(parts).tocsr()


def number_summands(references: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """What each row adds to `NumberSums`, float64 [N, 8]; numbers are centred so that squares lose no digits."""
    given, predicted = (side - side.mean() for side in (references.astype(np.float64), predictions.astype(np.float64)))
    error = references - predictions
    columns = (given, predicted, given**2, predicted**2, given * predicted, np.abs(error), error**2)
    return np.stack([*columns, np.ones(len(given))], axis=1)
