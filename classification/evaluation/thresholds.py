"""The score from which a label is predicted: for the highest F1, or for a precision or recall that is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classification.data.multi_label import DEFAULT_THRESHOLD

# N rows of validation, K different scores.

EQUAL = 1e-12  # figures that differ by less are equal
COUNT = 1e-9  # of a row; 0.55 * 100 is more than 55


@dataclass(frozen=True)
class Cuts:
    """Every way to cut rows by their score, from the highest score down.

    Args:
        values: the cuts [K], each halfway between the lowest score that it accepts and the next lower one.
        hits, rows: accepted rows that have the label, and all accepted rows, int64 [K].
        positives: rows with the label.
    """

    values: np.ndarray
    hits: np.ndarray
    rows: np.ndarray
    positives: int

    @classmethod
    def of(cls, scores: np.ndarray, truth: np.ndarray, lowest: float) -> Cuts:
        """Cuts of scores [N] of rows that have the label or not, bool [N]; the last one is halfway to `lowest`."""
        order = np.argsort(-scores, kind="stable")
        scores, hits = scores[order].astype(np.float64), np.cumsum(truth[order].astype(bool))
        ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))  # the last row of each score
        upper = scores[ends]
        lower = np.append(upper[1:], min(lowest, upper[-1]))
        values = (upper + lower) / 2
        return cls(np.where(values > lower, values, upper), hits[ends], ends + 1, int(truth.sum()))

    @property
    def precision(self) -> np.ndarray:
        return self.hits / self.rows

    @property
    def recall(self) -> np.ndarray:
        return self.hits / max(self.positives, 1)

    @property
    def f1(self) -> np.ndarray:
        return 2 * self.hits / (self.rows + self.positives)


@dataclass(frozen=True)
class Reached:
    """The cut that a target leads to.

    Args:
        cut: None where no cut reaches the target; the figures are then those of the cut that is nearest to it.
        rows: that are accepted; positives: rows with the label.
    """

    cut: float | None
    precision: float
    recall: float
    rows: int
    positives: int


Search = Callable[[np.ndarray, np.ndarray, float, float], Reached]  # scores, truth, target, lowest


def reach_precision(scores: np.ndarray, truth: np.ndarray, target: float, lowest: float) -> Reached:
    """The lowest cut, which has the most recall, whose precision reaches the target: scores [N], truth bool [N]."""
    cuts = Cuts.of(scores, truth, lowest)
    reached = np.flatnonzero((cuts.hits >= target * cuts.rows - COUNT) & (cuts.hits > 0))
    best = np.flatnonzero(cuts.precision >= cuts.precision.max() - EQUAL)
    return reached_at(cuts, reached[-1] if len(reached) else best[-1], is_reached=bool(len(reached)))


def reach_recall(scores: np.ndarray, truth: np.ndarray, target: float, lowest: float) -> Reached:
    """The highest cut, which has the most precision, whose recall reaches the target: scores [N], truth bool [N]."""
    cuts = Cuts.of(scores, truth, lowest)
    reached = np.flatnonzero((cuts.hits >= target * cuts.positives - COUNT) & (cuts.hits > 0))
    return reached_at(cuts, reached[0] if len(reached) else 0, is_reached=bool(len(reached)))


def reached_at(cuts: Cuts, place: int, *, is_reached: bool) -> Reached:
    cut = float(cuts.values[place]) if is_reached else None
    figures = float(cuts.precision[place]), float(cuts.recall[place])
    return Reached(cut, *figures, rows=int(cuts.rows[place]), positives=cuts.positives)


def best_threshold(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest F1, probabilities and truth [N]; among equals the one nearest to 0.5.

    It lies halfway between the lowest probability that it accepts and the next lower one. Without a positive row it is
    0.5.
    """
    if not truth.any():
        return DEFAULT_THRESHOLD
    cuts = Cuts.of(probabilities, truth, lowest=0.0)
    best = np.flatnonzero(cuts.f1 >= cuts.f1.max() - EQUAL)
    return float(min(cuts.values[best], key=lambda value: abs(value - DEFAULT_THRESHOLD)))
