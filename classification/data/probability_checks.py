"""The part of a task that compares probabilities with labels: calibration, and answers given only when confident."""

from __future__ import annotations

import numpy as np

# N rows, C labels, M comparisons.


class ProbabilityChecks:
    """Methods of `LabelSpace`. The defaults are those of one class per row."""

    temperatures: tuple[float, ...]

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Logits [B, C] divided by the temperatures; what `probabilities` and decisions come from. Losses do not."""
        return logits / np.array(self.temperatures) if self.temperatures else logits

    def choices(self, logits: np.ndarray, label_ids: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The questions that get a temperature of their own: logits of the answers [N, K], and the right ones [N]."""
        return [(logits.astype(np.float64), label_ids.astype(np.int64))]

    def outcomes(self, probabilities: np.ndarray, label_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [M] that were given to something, and whether it came true, bool [M].

        With one class per row it is the most probable class, and M is N. With several labels it is every label of every
        row, and M is N x C.
        """
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == label_ids

    def share_answered(self, right: np.ndarray, label_ids: np.ndarray) -> float:
        """What answers are worth, from 0 to 1: with one class per row the share of rows that have one.

        With several labels it is the share of the rows' labels that are found.

        Args:
            right: whether each answer is right, bool [M].
            label_ids: of all rows, answered or not.
        """
        return len(right) / max(len(label_ids), 1)

    def describe_answered(self, share: str) -> str:
        """What a model with this `share_answered` on test does."""
        return f"answers {share} of test rows"
