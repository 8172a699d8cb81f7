"""The training objective, exact however the global batch is cut, and the weights of its classes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from classification.data.labels import LabelSpace
from classification.data.windows import documents_of_windows
from classification.errors import UsageError, did_you_mean, some
from classification.training.samplers import IGNORED

# B rows of a micro-batch, C labels.

EFFECTIVE_BETA = 0.999  # Cui et al. try 0.9 to 0.9999; this one still tells 1,000 rows from 100
TINY = 1e-8  # keeps the slope of x ** gamma finite at x = 0


class Objective:
    """The sum of the rows' losses over the number of rows in the *global* batch, for `Trainer(compute_loss_func=...)`.

    A row's loss is its cross entropy, the mean binary cross entropy of its labels, or its squared error. BERT-like
    models return the mean over their micro-batch and drop `num_items_in_batch`, and the Trainer then skips its
    division by the accumulation steps: gradients come out multiplied by accumulation steps x processes
    (https://github.com/huggingface/transformers/issues/47688). A sum over the global count has neither fault and
    weighs every row alike when micro-batches are uneven. Label smoothing is done here because the Trainer skips its
    own smoother when a loss function is given.

    Args:
        class_weights: as from `class_weights`; the weighted sum is still divided by rows, not by the sum of weights,
            so that a row weighs the same whatever else is in its batch.
        focal_gamma: each loss is multiplied by (1 - p) ** gamma, p the probability of the true label (Lin et al. 2017,
            Focal Loss for Dense Object Detection); 0 changes nothing.
    """

    def __init__(
        self,
        labels: LabelSpace,
        *,
        class_weights: np.ndarray | None = None,
        focal_gamma: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        self.labels = labels
        self.weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing

    @property
    def is_val_loss(self) -> bool:
        """Whether training minimises just what val_loss reports (but for windows, whose losses it averages where
        val_loss takes that of their averaged logits)."""
        return self.weights is None and not self.focal_gamma and not self.label_smoothing

    @property
    def items_per_row(self) -> int:
        """The Trainer counts the numbers in `labels`: one a row, or one a label and row."""
        return self.labels.num_labels if self.labels.is_multi_label else 1

    def total(
        self, logits: torch.Tensor, labels: torch.Tensor, window_counts: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Sum of the rows' losses, logits [B, C] and labels [B] or [B, C] -> [], in fp32; labels of -100 add nothing.

        The same for tensors and, by `mean`, for all rows of an evaluation. With `window_counts` [B], the logits are of
        windows, [W, C]: each is compared with its document's label, and a document's loss is the mean of its n windows.
        """
        of_documents = None
        if window_counts is not None:
            documents = documents_of_windows(window_counts, len(logits))
            labels, of_documents = labels[documents], 1.0 / window_counts[documents]
        logits = logits.float()
        if self.labels.is_regression:
            losses = F.mse_loss(logits.squeeze(-1), labels.float(), reduction="none")
        elif self.labels.is_multi_label:
            losses = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        else:
            losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
        if self.focal_gamma:
            losses = losses * (-torch.expm1(-losses)).clamp(min=TINY) ** self.focal_gamma
        if self.weights is not None:
            losses = losses * self._weights_of(labels)
        if of_documents is not None:
            losses = losses * of_documents.reshape(-1, *[1] * (losses.dim() - 1))
        return losses.where(labels != IGNORED, 0.0).sum() / self.items_per_row

    def _weights_of(self, labels: torch.Tensor) -> torch.Tensor:
        """The weight of each row [B], or of each label and row [B, C]."""
        self.weights = self.weights.to(labels.device)
        if self.labels.is_multi_label:
            return torch.where(labels == 1, self.weights[:, 1], self.weights[:, 0])
        return self.weights[labels.clamp(min=0)]

    def mean(self, logits: np.ndarray, label_ids: np.ndarray) -> float:
        """The objective over all rows of an evaluation: logits [B, C], label_ids [B] or [B, C]."""
        return self.total(torch.from_numpy(logits).cpu(), torch.from_numpy(label_ids)).item() / len(logits)

    def __call__(
        self,
        outputs,
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | None = None,
        window_counts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        rows = len(labels) if num_items_in_batch is None else num_items_in_batch / self.items_per_row
        return self.total(outputs.logits, labels, window_counts) / rows


def class_weights(given: str | dict[str, float] | None, labels: LabelSpace, label_ids) -> np.ndarray | None:
    """Weights with mean 1 over the training rows, None where none are wanted.

    With one label a row float64 [C]. With several, each label is a question with two answers: float64 [C, 2] for no
    and yes, mean 1 over the rows for each label; `given` by name then weighs yes against no.

    Args:
        given: `balanced` (each class adds up to the same), `effective` (the inverse effective number of rows,
            (1 - beta) / (1 - beta ** n): Cui et al. 2019, Class-Balanced Loss, with beta 0.999), or weights by name,
            1 for names that are left out.
        label_ids: of the training rows, [N] or [N, C].

    Raises:
        UsageError: a name that is no label.
    """
    if given is None:
        return None
    label_ids = np.asarray(label_ids)
    if labels.is_multi_label:
        yes = label_ids.sum(axis=0)
        counts = np.stack([len(label_ids) - yes, yes], axis=-1)
    else:
        counts = np.bincount(label_ids, minlength=labels.num_labels).astype(np.float64)
    if given == "balanced":
        weights = 1 / np.maximum(counts, 1)
    elif given == "effective":
        weights = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA ** np.maximum(counts, 1))
    else:
        weights = np.ones_like(counts)
        for name, weight in given.items():
            if name not in labels.names:
                raise UsageError(
                    f"--class_weights: {name!r} is not a label; the labels are {some(labels.names, 10)}."
                    + did_you_mean(name, labels.names)
                )
            weights[(labels.label2id[name], -1) if labels.is_multi_label else labels.label2id[name]] = weight
    return weights * counts.sum(axis=-1, keepdims=True) / (weights * counts).sum(axis=-1, keepdims=True)
