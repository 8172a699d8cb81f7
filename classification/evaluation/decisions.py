"""From logits to what people read: probabilities, thresholds and decided labels. numpy only."""

from __future__ import annotations

import numpy as np

from classification.data.labels import LabelSpace

# B rows, C labels.


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis, [B, C] -> [B, C], in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def probabilities(logits: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Float64 [B, C] -> [B, C]: softmax, whose rows sum to 1, or a sigmoid a label where a row has several."""
    if labels.is_multi_label:
        return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
    return np.exp(log_softmax(logits))


def decide(logits: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Predictions in the encoded form of `LabelSpace.encode`: ids int [B]; for several labels a row bool [B, C], true
    from each label's threshold on; standardised values float64 [B] for regression."""
    if labels.is_regression:
        return logits[:, 0].astype(np.float64)
    if labels.is_multi_label:
        return probabilities(logits, labels) >= np.array(labels.thresholds)
    return logits.argmax(axis=-1)


def margin(logits: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """How far each row's logits stand from another decision, float [B]: the best above the second best, or the
    label that is nearest to its threshold."""
    if labels.is_multi_label:
        thresholds = np.array(labels.thresholds)
        with np.errstate(divide="ignore"):
            cuts = np.log(thresholds) - np.log1p(-thresholds)
        return np.abs(logits - cuts).min(axis=-1)
    best_two = np.partition(logits, -2, axis=-1)[:, -2:]
    return best_two[:, 1] - best_two[:, 0]


def row_losses(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """The loss of each row, float64 [B], whose plain mean is val_loss.

    Cross entropy for classes (unweighted, unsmoothed), the mean binary cross entropy of its labels for several labels
    a row, squared error in standardised units for regression.
    """
    logits = logits.astype(np.float64)
    if labels.is_regression:
        return (logits[:, 0] - label_ids) ** 2
    if labels.is_multi_label:
        return (np.logaddexp(0.0, logits) - label_ids * logits).mean(axis=-1)
    return -log_softmax(logits)[np.arange(len(label_ids)), label_ids.astype(np.int64)]
