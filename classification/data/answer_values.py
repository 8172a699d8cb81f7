"""The part of a task that gives its decisions to others: typed values for Python, a column for `datasets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # a model that answers does not need `datasets`
    from datasets.features.features import FeatureType

# B rows of a batch, C labels.

AnswerValue = str | tuple[str, ...] | float


class AnswerValues:
    """Methods of `LabelSpace`. The defaults are those of one class per row."""

    names: tuple[str, ...]

    @property
    def label_feature(self) -> FeatureType:
        """The `datasets` feature of the encoded label column."""
        from datasets import Value

        return Value("int64")

    def answer_value(self, decision: Any) -> AnswerValue:
        """A decision for Python: a name, a tuple of the names of several labels, or a number in the labels' units."""
        return self.names[int(decision)]

    def confidences(self, probabilities: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        """How sure each decision is, float64 [B]: the probability [B, C] of the class that is predicted.

        With several labels it is the probability of the least sure of the decisions for or against a label.
        """
        return np.take_along_axis(probabilities, decisions[:, None].astype(np.int64), axis=1)[:, 0]
