"""The training objective, exact however the global batch is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers.utils import ModelOutput

from classification.data.labels import LabelSpace
from classification.data.unlabelled import known_labels
from classification.data.windows import IGNORED, labels_of_windows
from classification.messages.log import Line

# B rows of a micro-batch, W windows of its documents, C labels.

TINY = 1e-8  # keeps the slope of x ** gamma finite at x = 0


@dataclass(frozen=True)
class LossOptions:
    """What the command line asks of the training loss; see `class_weights` and `Objective`."""

    class_weights: str | dict[str, float] | None = None
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0


class Objective:
    """The sum of the row losses divided by the rows of the *global* batch, for `Trainer(compute_loss_func=...)`.

    The row loss is the task's: cross entropy, the mean binary cross entropy over labels, or squared error. BERT-like
    models return the mean over their micro-batch and ignore `num_items_in_batch`, and the Trainer then skips its
    division by the accumulation steps. Gradients are multiplied by accumulation steps x processes
    (https://github.com/huggingface/transformers/issues/47688). A sum over the global count has neither fault, and
    every row weighs the same when micro-batches are uneven. Label smoothing is done here because the Trainer skips its
    own smoother when it gets a loss function.

    Args:
        weights: as from `class_weights`. The weighted sum is still divided by rows, not by the sum of weights, so that
            the weight of a row does not depend on its batch.
        focal_gamma: each loss is multiplied by (1 - p) ** gamma, p the probability of the true label (Lin et al. 2017,
            Focal Loss for Dense Object Detection); 0 changes nothing.
        label_smoothing: share of the probability that is spread evenly over all classes, or over yes and no where a row
            has several labels (Szegedy et al. 2016).
    """

    def __init__(
        self,
        task: LabelSpace,
        weights: np.ndarray | None = None,
        focal_gamma: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        self.task = task
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing

    @property
    def equals_val_loss(self) -> bool:
        """Whether training minimises what val_loss reports.

        Windows are an exception: training averages their losses, and val_loss is the loss of their averaged logits.
        """
        return self.weights is None and not self.focal_gamma and not self.label_smoothing

    def total(
        self, logits: torch.Tensor, labels: torch.Tensor, window_counts: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Sum of the row losses in fp32: logits [B, C] and labels [B] or [B, C] -> []. Rows without label add nothing.

        Args:
            window_counts: windows of each document, [B]. The logits are then those of windows, [W, C]. Each window is
                compared with the label of its document, whose loss is the mean over its windows.
        """
        labels, shares = labels_of_windows(known_labels(labels), window_counts, len(logits))
        losses = self.task.torch_losses(logits.float(), labels, self.label_smoothing)
        if self.focal_gamma:
            losses = losses * (-torch.expm1(-losses)).clamp(min=TINY) ** self.focal_gamma
        if self.weights is not None:
            self.weights = self.weights.to(labels.device)
            losses = losses * self.task.select_weights(self.weights, labels)
        if shares is not None:
            losses = losses * shares.reshape(-1, *[1] * (losses.dim() - 1))
        return losses.where(labels != IGNORED, 0.0).sum() / self.task.items_per_row

    def mean(self, logits: np.ndarray, label_ids: np.ndarray) -> float:
        """The objective over all rows of an evaluation: logits [B, C], label_ids [B] or [B, C]."""
        return self.total(torch.from_numpy(logits).cpu(), torch.from_numpy(label_ids)).item() / len(logits)

    def rows(self, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None) -> torch.Tensor | int:
        """Rows of the global batch.

        Args:
            num_items_in_batch: numbers in its labels, as the Trainer counts them; None for the rows of `labels`.
        """
        return len(labels) if num_items_in_batch is None else num_items_in_batch / self.task.items_per_row

    def __call__(
        self, outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss of a micro-batch [], as its share of the mean over the global batch."""
        return self.total(outputs.logits, labels) / self.rows(labels, num_items_in_batch)

    def summary(self) -> list[Line]:
        """How the objective differs from val_loss; nothing where it does not."""
        lines = []
        if self.weights is not None:
            weights = self.task.describe_weights(self.weights.cpu().numpy())
            lines.append(Line("weights", f"{weights}; val_loss stays unweighted"))
        if self.focal_gamma:
            lines.append(Line("loss", f"focal with gamma {self.focal_gamma:g}; val_loss stays cross entropy"))
        if self.label_smoothing:
            lines.append(Line("loss", f"labels smoothed by {self.label_smoothing:g}; val_loss stays unsmoothed"))
        return lines
