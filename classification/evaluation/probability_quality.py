"""How far probabilities can be trusted: calibration error, Brier score and log loss, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from classification.data.labels import LabelSpace
from classification.evaluation.abstention import Answers, abstention_lines, abstention_scores
from classification.evaluation.calibration import are_rows, cross_fitted
from classification.evaluation.predictions import Predictions
from classification.messages.log import Line

# N rows, C labels, M probabilities that are compared with what came true (`LabelSpace.outcomes`).

BINS = 15

_cross_fitted: WeakKeyDictionary[Predictions, np.ndarray] = WeakKeyDictionary()  # validation is scored several times


def expected_calibration_error(probabilities: np.ndarray, came_true: np.ndarray) -> float:
    """ECE: the mean distance between probability and share of cases that came true, over 15 bins of equal width.

    Each bin counts by its cases (Guo et al. 2017).

    Args:
        probabilities: [M]; came_true: bool [M].
    """
    distance = np.bincount(bins_of(probabilities), probabilities - came_true, minlength=BINS)
    return float(np.abs(distance).sum() / max(len(probabilities), 1))


def bins_of(probabilities: np.ndarray) -> np.ndarray:
    """The bin of each probability, int [M] from 0 to 14; a bin has its upper edge, the first has both."""
    return np.clip(np.ceil(probabilities * BINS).astype(np.int64) - 1, 0, BINS - 1)


def brier_score(probabilities: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> float:
    """With one class per row: the mean over rows of the squared distance to the one-hot label, from 0 to 2.

    With several labels: the mean of (probability - 0 or 1) squared over all labels of all rows, from 0 to 1. Both equal
    scikit-learn's `brier_score_loss` (with `scale_by_half=False` for classes).
    """
    squares = ((probabilities - task.indicators(label_ids)) ** 2).sum(axis=1)
    return float(squares.mean() / task.items_per_row)


def quality(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> dict[str, float]:
    """`loss`, `ece` and `brier` of an uncalibrated task: logits [N, C], label_ids [N] or [N, C]."""
    probabilities = task.probabilities(logits)
    assert probabilities is not None
    return {
        "loss": float(task.row_losses(logits, label_ids).mean()),
        "ece": expected_calibration_error(*task.outcomes(probabilities, label_ids)),
        "brier": brier_score(probabilities, label_ids, task),
    }


def score_probabilities(
    predictions: Predictions, task: LabelSpace, validation: Predictions | None = None
) -> dict[str, Any]:
    """`ece` and `brier`, the same and `loss` as `<name>_calibrated`, and `abstention` of the labelled rows.

    On the rows that gave the temperatures the calibrated figures are cross-fitted; on other rows the temperatures are
    applied. Empty for a task without probabilities, without labelled rows, or where a model has diverged.

    Args:
        validation: the rows that choose the confidence of `abstention`, which may be these rows; None leaves it out.
    """
    if not can_be_scored(predictions, task):
        return {}
    logits, label_ids = labelled(predictions)
    raw = task.untuned()
    scores: dict[str, Any] = {name: value for name, value in quality(logits, label_ids, raw).items() if name != "loss"}
    if task.temperatures:
        after = quality(calibrated_logits(predictions, task), label_ids, raw)
        scores |= {f"{name}_calibrated": value for name, value in after.items()}
    if validation is not None and can_be_scored(validation, task):
        answers = answers_of(predictions, task)
        chooser = answers if validation is predictions else answers_of(validation, task)
        scores["abstention"] = abstention_scores(chooser, answers)
    return scores


def can_be_scored(predictions: Predictions, task: LabelSpace) -> bool:
    logits, _ = labelled(predictions)
    return len(logits) > 0 and bool(np.isfinite(logits).all()) and has_probabilities(task)


def has_probabilities(task: LabelSpace) -> bool:
    return task.probabilities(np.zeros((1, task.num_labels))) is not None


def answers_of(predictions: Predictions, task: LabelSpace) -> Answers:
    """The answers for the labelled rows, with calibrated confidence."""
    logits, label_ids = labelled(predictions)
    probabilities = task.untuned().probabilities(calibrated_logits(predictions, task))
    assert probabilities is not None
    return Answers.of(probabilities, task.decide(logits), label_ids, task)


def calibrated_logits(predictions: Predictions, task: LabelSpace) -> np.ndarray:
    """Of the labelled rows, float64 [N, C]: cross-fitted on the rows that gave the temperatures."""
    logits, label_ids = labelled(predictions)
    if not task.temperatures or not are_rows(predictions.rows, task.fitted_on):
        return task.calibrated(logits.astype(np.float64))
    if predictions not in _cross_fitted:
        _cross_fitted[predictions] = cross_fitted(logits, label_ids, task)
    return _cross_fitted[predictions]


def labelled(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Logits and label ids of the rows that have a label."""
    label_ids = predictions.label_ids
    rows = [row for row, label in enumerate(label_ids) if label is not None]
    return predictions.logits[rows], np.array([label_ids[row] for row in rows])


def calibration_line(scores: Mapping[str, Any], what: str, how: str = "") -> list[Line]:
    """One line with ECE and log loss before and after calibration; none where a model is not calibrated.

    Args:
        scores: of a split, as from `score_probabilities`, with its `loss`.
        what: the beginning of the line. how: its end.
    """
    if "loss_calibrated" not in scores:
        return []
    names = {"ece": "calibration error (ECE)", "loss": "log loss"}
    changes = (f"{title} {scores[name]:.4f} -> {scores[f'{name}_calibrated']:.4f}" for name, title in names.items())
    return [Line("calibration", f"{what}: {', '.join(changes)}{how}")]


def lines_about_test(scores: Mapping[str, Any], task: LabelSpace) -> list[Line]:
    """What calibration changes on test, and how much a model answers that abstains."""
    return [*calibration_line(scores, "test"), *abstention_lines(scores.get("abstention", ()), task)]
