"""From which probability a label is given, where a row may have several: tuned on validation for F1."""

from __future__ import annotations

import logging

import numpy as np
from sklearn.metrics import precision_recall_curve

from classification.data.labels import EVEN_ODDS, LabelSpace
from classification.errors import some

logger = logging.getLogger(__name__)

FEW_POSITIVES = 10


def tune_thresholds(how: str, scores: np.ndarray, truth: np.ndarray, labels: LabelSpace) -> LabelSpace:
    """The label space with the thresholds that give the highest F1 on these rows.

    Args:
        how: `global`, one for all labels (micro F1), or `per_label`, each for its own F1 and so for macro F1 (SCut:
            Yang 2001, A Study of Thresholding Strategies for Text Categorization).
        scores, truth: probabilities and labels of the validation rows, [B, C].
    """
    if how == "global":
        tuned = labels.with_thresholds(best_threshold(scores.ravel(), truth.ravel()))
        logger.info(
            "thresholds   %.3f for every label (highest micro F1 on validation, whose own F1 it flatters)",
            tuned.thresholds[0],
        )
        return tuned
    tuned = labels.with_thresholds(
        {name: best_threshold(scores[:, i], truth[:, i]) for i, name in enumerate(labels.names)}
    )
    shown = (f"{name} {value:.3f}" for name, value in zip(tuned.names, tuned.thresholds, strict=True))
    logger.info("thresholds   %s (highest F1 of each label on validation, whose own F1 they flatter)", some(shown, 20))
    rare = [f"{name} ({int(count)})" for name, count in zip(labels.names, truth.sum(axis=0), strict=True)
            if count < FEW_POSITIVES]  # fmt: skip
    if rare:
        logger.warning("few validation rows have label %s: its threshold is a guess; --tune_thresholds global is "
                       "steadier", some(rare))  # fmt: skip
    return tuned


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest F1, scores and truth [N]; of equals the one nearest to 0.5.

    It lies halfway between the score that it lets in and the next lower one. Without a positive row it stays at 0.5.
    """
    if not truth.any():
        return EVEN_ODDS
    precision, recall, cuts = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    halfway = (cuts + np.concatenate(([0.0], cuts[:-1]))) / 2
    best = np.flatnonzero(np.isclose(f1[: len(cuts)], f1[: len(cuts)].max(), rtol=0, atol=1e-12))
    return float(min(halfway[best], key=lambda value: abs(value - EVEN_ODDS)))
