"""Metrics of the order of rows under row weights: the rows are sorted once, not once per resample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classification.evaluation.labelled_rows import LabelledRows

# N rows, C classes, P rows that have a class.

RANK_RESAMPLES = 1000
CELLS_IN_ALL = 500_000_000  # rows times classes times resamples; fewer resamples where there are more
MIN_RANK_RESAMPLES = 200

Weighted = Callable[[np.ndarray], float]  # of the weight of each row, int [N]


@dataclass(frozen=True)
class RankedClass:
    """The rows by falling probability of one class, and where its own rows are among them.

    Args:
        order: row numbers, int [N].
        places: of the rows that have the class, in this order, int [P].
        last_places: the last place with the same probability; last_own: the last of `places` with it, int [P].
    """

    order: np.ndarray
    places: np.ndarray
    last_places: np.ndarray
    last_own: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, probabilities: np.ndarray) -> RankedClass:
        """From bool [N] and float [N]."""
        order = np.argsort(-probabilities, kind="stable")
        sorted_values = -probabilities[order]
        places = np.flatnonzero(truth[order])
        last_places = np.searchsorted(sorted_values, sorted_values[places], side="right") - 1
        last_own = np.searchsorted(places, last_places, side="right") - 1
        return cls(order.astype(np.int32), places, last_places, last_own)

    def average_precision(self, weights: np.ndarray) -> float:
        """Average precision of weighted rows; nan where no row of the class has a weight."""
        in_order = weights[self.order]
        own = in_order[self.places]
        right = own.cumsum()
        if not len(right) or not right[-1]:
            return float("nan")
        ahead = in_order.cumsum()[self.last_places]
        return float((own * (right[self.last_own] / np.maximum(ahead, 1))).sum() / right[-1])


def weighted_average_precision(rows: LabelledRows) -> Weighted:
    """Mean over the classes that occur, as `mean_average_precision`."""
    assert rows.probabilities is not None
    truth = rows.task.indicators(rows.references) > 0
    columns = zip(truth.T, rows.probabilities.T, strict=True)
    classes = [RankedClass.of(*column) for column in columns if column[0].any()]

    def compute(weights: np.ndarray) -> float:
        values = np.array([each.average_precision(weights) for each in classes])
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    return compute


def weighted_spearman(rows: LabelledRows) -> Weighted:
    """Pearson's correlation of the ranks; equal numbers share the mean of their ranks."""
    groups = [np.unique(side, return_inverse=True)[1].ravel() for side in (rows.references, rows.predictions)]

    def compute(weights: np.ndarray) -> float:
        sides = []
        for group in groups:
            sizes = np.bincount(group, weights)
            ranks = (sizes.cumsum() - sizes / 2)[group]
            sides.append(ranks - weights.sum() / 2)  # the mean rank
        spread = (weights * sides[0] ** 2).sum() * (weights * sides[1] ** 2).sum()
        return float((weights * sides[0] * sides[1]).sum() / np.sqrt(spread)) if spread > 0 else float("nan")

    return compute


RANK_METRICS: dict[str, Callable[[LabelledRows], Weighted]] = {
    "average_precision": weighted_average_precision,
    "spearman": weighted_spearman,
}


def number_of_rank_resamples(rows: int, classes: int) -> int:
    """1,000, or fewer where the rows times the classes are many; at least 200.

    >>> number_of_rank_resamples(200_000, 2), number_of_rank_resamples(25_000, 100)
    (1000, 200)
    """
    return int(np.clip(CELLS_IN_ALL // max(rows * classes, 1), MIN_RANK_RESAMPLES, RANK_RESAMPLES))
