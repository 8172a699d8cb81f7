"""What `score` gets from elsewhere: the metric of `--metric_name`, and the loss that training minimises."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class ExtraMetric(Protocol):
    """What `--metric_name` adds: one or more metrics of references, predictions and probabilities, by name."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(
        self, references: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, /
    ) -> dict[str, Any]: ...


class MeanLoss(Protocol):
    """The loss that training minimises, as `score` reads it."""

    @property
    def equals_val_loss(self) -> bool:
        """Whether it equals the plain mean loss."""

    def mean(self, logits: np.ndarray, label_ids: np.ndarray) -> float:
        """The mean over all rows of an evaluation: logits [N, C], label_ids [N] or [N, C]."""
