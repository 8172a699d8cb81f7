"""The part of a task that compares two outputs of a model: of two passes, or of a model and its teacher."""

from __future__ import annotations

import torch
import torch.nn.functional as F

# B rows of a batch, C labels.


class OutputDistances:
    """Methods of `LabelSpace`, on fp32 logits [B, C]. The defaults are those of one class per row."""

    def torch_distances(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The mean of both Kullback-Leibler divergences between two outputs: [B] or [B, C]."""
        slopes = first.log_softmax(-1) - second.log_softmax(-1)
        return ((first.softmax(-1) - second.softmax(-1)) * slopes).sum(-1) / 2

    def soft_losses(self, logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
        """Losses against the logits of a teacher: [B]; see `training.distillation`."""
        student, teacher = (F.log_softmax(each / temperature, dim=-1) for each in (logits, targets))
        return temperature**2 * F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)
