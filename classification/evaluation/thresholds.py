"""The probability from which a label is predicted, tuned on validation for F1."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve

from classification.data.labels import LabelSpace
from classification.data.multi_label import DEFAULT_THRESHOLD
from classification.errors import join_first
from classification.log import Line, warning

# N rows of validation, C labels.

FEW_POSITIVES = 10


def tune_thresholds(
    scope: str, probabilities: np.ndarray, truth: np.ndarray, task: LabelSpace
) -> tuple[LabelSpace, list[Line]]:
    """The task with the thresholds that give the highest F1 on these rows, and lines that describe them.

    Args:
        scope: `global`, one threshold for all labels (micro F1), or `per_label`, each for its own F1 and so for macro
            F1 (SCut: Yang 2001, A Study of Thresholding Strategies for Text Categorization).
        probabilities, truth: of the validation rows, [N, C].
    """
    if scope == "global":
        tuned = task.with_thresholds(best_threshold(probabilities.ravel(), truth.ravel()))
        text = f"{tuned.thresholds[0]:.3f} for every label (highest micro F1 on validation; that F1 is optimistic)"
        return tuned, [Line("thresholds", text)]
    best = {name: best_threshold(probabilities[:, i], truth[:, i]) for i, name in enumerate(task.names)}
    tuned = task.with_thresholds(best)
    values = join_first((f"{name} {value:.3f}" for name, value in best.items()), 20)
    lines = [Line("thresholds", f"{values} (highest F1 of each label on validation; these F1 values are optimistic)")]
    counts = dict(zip(task.names, truth.sum(axis=0).astype(int), strict=True))
    rare = [f"{name} ({count})" for name, count in counts.items() if count < FEW_POSITIVES]
    if rare:
        lines.append(
            warning(
                f"few validation rows have label {join_first(rare)}: its threshold is a guess. --tune_thresholds "
                "global is more stable"
            )
        )
    return tuned, lines


def best_threshold(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest F1, probabilities and truth [N]; among equals the one nearest to 0.5.

    It lies halfway between the lowest probability that it accepts and the next lower one. Without a positive row it is
    0.5.
    """
    if not truth.any():
        return DEFAULT_THRESHOLD
    precision, recall, cuts = precision_recall_curve(truth, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    halfway = (cuts + np.concatenate(([0.0], cuts[:-1]))) / 2
    best = np.flatnonzero(np.isclose(f1[: len(cuts)], f1[: len(cuts)].max(), rtol=0, atol=1e-12))
    return float(min(halfway[best], key=lambda value: abs(value - DEFAULT_THRESHOLD)))
