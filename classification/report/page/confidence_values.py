"""How sure the model was, and how often it was right: the numbers behind the plots of probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from classification.data.labels import LabelSpace
from classification.evaluation.probability_quality import BINS, bins_of
from classification.evaluation.resampling import LEVEL
from classification.report.page.class_rows import Share
from classification.report.run_files import PredictionTable
from classification.report.scored_rows import ScoredRows

# N scored rows, C labels, M answers: a row's one answer, or each label of each row.

LINE_POINTS = 200


@dataclass(frozen=True)
class Answers:
    """What the model answered with which probability, and whether that is so.

    Args:
        confidence: probability of the predicted class [N], or of every label of every row [N * C].
        is_right: whether the class is the true one, or the row has the label; bool, same shape.
        noun: what is counted, in the plural.
    """

    confidence: np.ndarray
    is_right: np.ndarray
    noun: str


def stated_probabilities(rows: ScoredRows, task: LabelSpace) -> Answers:
    """What the calibration error compares: the most probable class of each row, or every label of every row."""
    assert rows.probabilities is not None, "the task has probabilities"
    noun = "labels" if rows.has_label_columns else "rows"
    return Answers(*task.outcomes(rows.probabilities, rows.truth), noun)


def answers_of(rows: ScoredRows, task: LabelSpace) -> Answers:
    """The class that was decided, which costs can make another one than the most probable; or as above."""
    probabilities = rows.probabilities
    assert probabilities is not None, "the task has probabilities"
    if rows.has_label_columns:
        return stated_probabilities(rows, task)
    decided = probabilities[np.arange(len(rows)), rows.decisions]
    return Answers(decided, rows.decisions == rows.truth, "rows")


def unscored_confidence(table: PredictionTable) -> np.ndarray:
    """The probability of each answer in rows that need no label: of several per row, of the least sure one."""
    assert table.probabilities is not None, "the task has probabilities"
    usable = np.isfinite(table.probabilities).all(axis=1)
    probabilities, decisions = table.probabilities[usable], np.asarray(table.decisions)[usable]
    if decisions.ndim == 2:
        return np.where(decisions > 0, probabilities, 1 - probabilities).min(axis=1)
    return probabilities[np.arange(len(probabilities)), decisions.astype(np.int64)]


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence: their mean confidence, and the share that is right."""

    low: float
    high: float
    confidence: float
    right: Share


def reliability_bins(answers: Answers) -> list[Bin]:
    """The bins of the expected calibration error that have answers."""
    places = bins_of(answers.confidence)
    counts = np.bincount(places, minlength=BINS)
    right = np.bincount(places, weights=answers.is_right, minlength=BINS)
    sums = np.bincount(places, weights=answers.confidence, minlength=BINS)
    return [
        Bin(
            i / BINS, (i + 1) / BINS, float(np.clip(sums[i] / counts[i], 0, 1)), Share.of(int(right[i]), int(counts[i]))
        )
        for i in range(BINS)
        if counts[i]
    ]


def widest_gap(bins: Sequence[Bin]) -> Bin | None:
    """The bin that adds most to the calibration error, of those that chance does not explain.

    Chance explains a bin unless an exact binomial test rejects its confidence at 5% divided by the number of bins
    (Bonferroni): among so many bins, one is often outside its own 95% interval.
    """
    level = LEVEL / max(len(bins), 1)
    off = [one for one in bins if binomtest(one.right.count, one.right.total, one.confidence).pvalue < level]
    return max(off, key=lambda one: abs(one.confidence - (one.right.value or 0.0)) * one.right.total, default=None)


@dataclass(frozen=True)
class Histogram:
    """Counts per bin of confidence, [B] each, and the edges of the bins [B + 1]."""

    edges: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def confidence_histogram(answers: Answers, bins: int = 20) -> Histogram:
    """Right and wrong answers per confidence. The bins begin where confidences do, at a multiple of a tenth."""
    start = np.floor(10 * answers.confidence.min()) / 10 if len(answers.confidence) else 0.0
    edges = np.linspace(min(start, 0.9), 1.0, bins + 1)
    right, wrong = (
        np.histogram(answers.confidence[chosen].clip(edges[0], 1.0), bins, (edges[0], 1.0))[0]
        for chosen in (answers.is_right, ~answers.is_right)
    )
    return Histogram(edges, right, wrong)


@dataclass(frozen=True)
class AbstentionPoint:
    """An entry of `test_abstention`: the confidence that gave `target` precision on validation, and its test figures.

    `confidence` is None where no confidence does that.
    """

    target: float
    confidence: float | None
    share: float
    right: float


def abstention_points(metrics: Mapping[str, Any], split: str = "test") -> list[AbstentionPoint]:
    """The confidences that were chosen on validation; empty for runs that chose none."""
    entries = metrics.get(f"{split}_abstention") or []
    return [
        AbstentionPoint(
            target=entry["precision"],
            confidence=entry.get("confidence"),
            share=entry.get("coverage") or 0.0,
            right=np.nan if entry.get("accuracy") is None else entry["accuracy"],
        )
        for entry in entries
    ]


@dataclass(frozen=True)
class Coverage:
    """The share of rows answered, the surest first, and the share of these that is right: float [P] each."""

    share: np.ndarray
    right: np.ndarray
    points: list[AbstentionPoint]


def coverage_of(answers: Answers, points: Sequence[AbstentionPoint] = ()) -> Coverage:
    """The curve begins at a hundredth of the rows, or at 10 rows. Rows of equal confidence are answered together."""
    order = np.argsort(-answers.confidence, kind="stable")
    confidence, count = answers.confidence[order], np.arange(1, len(order) + 1)
    ends = np.append(confidence[1:] != confidence[:-1], True)
    ends &= count >= min(len(order), max(10, len(order) // 100))
    share, right = count[ends] / len(order), (np.cumsum(answers.is_right[order]) / count)[ends]
    places = thin(share)
    drawn = [point for point in points if point.confidence is not None and np.isfinite(point.right)]
    return Coverage(share[places], right[places], drawn)


def thin(values: np.ndarray, points: int = LINE_POINTS) -> np.ndarray:
    """Places of at most `points` values with equal distance along a monotonous curve; the ends are among them.

    >>> thin(np.array([0.0, 0.1, 0.11, 0.5, 1.0]), points=3).tolist()
    [0, 3, 4]
    """
    if len(values) <= points:
        return np.arange(len(values))
    targets = np.linspace(values[0], values[-1], points)
    order = 1 if values[-1] >= values[0] else -1
    places = np.searchsorted(order * values, order * targets).clip(0, len(values) - 1)
    return np.unique(np.concatenate(([0], places, [len(values) - 1])))
