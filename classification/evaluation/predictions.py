"""What a model predicted for the rows of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from datasets import Dataset


@dataclass(frozen=True, eq=False)
class Predictions:
    """The rows of a split and what was computed for each of them.

    Args:
        rows: `id, text, text_pair?, label?`.
        logits: [N, C].
        tokens: how many tokens of each text the model read, [N].
        full_tokens: how many tokens each whole text has, [N].
        in_train: whether train has the same text, bool [N]; None where that is unknown.
    """

    rows: Dataset
    logits: np.ndarray
    tokens: np.ndarray
    full_tokens: np.ndarray
    in_train: np.ndarray | None = None

    @property
    def truncated(self) -> np.ndarray:
        """Whether each text was cut, bool [N]."""
        return self.full_tokens > self.tokens

    @property
    def label_ids(self) -> list:
        """The label id of each row, None where it has none."""
        return self.rows["label"][:] if "label" in self.rows.column_names else [None] * len(self.rows)
