"""The training objective, exact however the global batch is cut."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from classification.batching import IGNORED

# B rows of a micro-batch, C labels.


class Objective:
    """The sum of the rows' losses over the number of rows in the *global* batch, for `Trainer(compute_loss_func=...)`.

    BERT-like models return the mean over their micro-batch and drop `num_items_in_batch`, and the Trainer then skips
    its division by the accumulation steps: gradients come out multiplied by accumulation steps x processes
    (https://github.com/huggingface/transformers/issues/47688). A sum over the global count has neither fault and
    weighs every row alike when micro-batches are uneven. Label smoothing is done here because the Trainer skips its
    own smoother when a loss function is given.
    """

    def __init__(self, *, is_regression: bool, label_smoothing: float = 0.0):
        self.is_regression = is_regression
        self.label_smoothing = label_smoothing

    def total(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum of the rows' losses, logits [B, C] and labels [B] -> [], in fp32; rows labelled -100 add nothing."""
        logits = logits.float()
        if self.is_regression:
            errors = F.mse_loss(logits.squeeze(-1), labels.float(), reduction="none")
            return errors.where(labels != IGNORED, 0.0).sum()
        return F.cross_entropy(logits, labels, reduction="sum", label_smoothing=self.label_smoothing)

    def __call__(self, outputs, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:
        return self.total(outputs.logits, labels) / (len(labels) if num_items_in_batch is None else num_items_in_batch)
