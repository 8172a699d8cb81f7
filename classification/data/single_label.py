"""One class per row: the task of most data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from classification.data.label_hints import LabelHints
from classification.data.label_names import names_in
from classification.data.label_values import is_missing, label_key, sorted_names
from classification.data.rules.decision_costs import CostDecisions
from classification.data.saved_temperatures import saved_calibration
from classification.errors import UsageError, join_first

# B rows of a batch, C labels.


@dataclass(frozen=True)
class SingleLabel(CostDecisions):
    """One class per row: softmax and cross entropy.

    Whole numbers 0..C-1 keep their ids; other whole numbers map in numeric order; strings sort; declared class names
    keep their order. -1 means a missing label unless it is one of the names (the convention of the Hub).
    """

    problem_type = "single_label_classification"
    headline = "accuracy"
    main_metrics = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "average_precision")
    metrics = "single_label"
    answer, loss_name = "one of {labels}", "cross entropy"
    default_rule = "the most probable label is predicted"
    unsupported = {}
    is_exclusive = True

    @classmethod
    def from_values(cls, values: list, hints: LabelHints) -> SingleLabel:
        keys = {label_key(value) for value in set(values)}
        if len(keys) < 2:
            only = repr(str(values[0])) if values else "none at all"
            raise UsageError(
                f"The train split has only one class ({only}), so there is nothing to learn. "
                "Check --label_column_name and --train_file."
            )
        return cls(hints.class_names if hints.class_names is not None else sorted_names(values))

    @classmethod
    def from_config(cls, config: Any, hints: LabelHints) -> SingleLabel:
        names = names_in(config)
        if hints.do_regression:
            raise UsageError(
                f"--do_regression: the model is a classifier ({join_first(names)}). Leave the flag out, or train."
            )
        return cls(names, **saved_calibration(config, names)).with_saved_costs(config)

    def describe(self) -> str:
        return f"single-label, {self.num_labels} classes: {join_first(self.names, 10)}"

    def encode(self, value: Any) -> int | None:
        if is_missing(value):
            return None
        key = label_key(value)
        if key in self._ids:
            return self._ids[key]
        if key == -1:
            return None
        raise KeyError(value)

    def decode(self, label_id: Any) -> str:
        return "" if label_id is None else self.names[int(label_id)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return np.exp(log_softmax(self.calibrated(logits)))

    def row_losses(self, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        return -log_softmax(logits)[np.arange(len(label_ids)), label_ids.astype(np.int64)]

    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)

    def prior_logits(self, counts: np.ndarray) -> np.ndarray:
        return np.log((counts + 1) / (counts + 1).sum())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis, [B, C] -> [B, C], in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
