"""From logits to what people read: probabilities, predicted ids and values in their own units. numpy only."""

from __future__ import annotations

import numpy as np

from classification.labels import LabelSpace

# B rows, C labels.


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis, [B, C] -> [B, C], in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, [B, C] -> [B, C], rows sum to 1."""
    return np.exp(log_softmax(logits))


def decide(logits: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Predicted class ids int [B], or predicted values float [B] in the label's own units for regression."""
    if labels.is_regression:
        return logits[:, 0].astype(np.float64) * labels.std + labels.mean
    return logits.argmax(axis=-1)


def tie_margin(logits: np.ndarray) -> np.ndarray:
    """How far the best logit stands above the second best, float [B]."""
    best_two = np.partition(logits, -2, axis=-1)[:, -2:]
    return best_two[:, 1] - best_two[:, 0]


def row_losses(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """The loss of each row, float64 [B], whose plain mean is val_loss.

    Cross entropy for classes (unweighted, unsmoothed), squared error in standardised units for regression.
    """
    if labels.is_regression:
        return (logits[:, 0].astype(np.float64) - label_ids) ** 2
    return -log_softmax(logits)[np.arange(len(label_ids)), label_ids.astype(np.int64)]
