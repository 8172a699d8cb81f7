"""The bias of a new head: the logits of the class shares in train, so that training does not first have to learn them.

With random weights and a bias of 0 every class starts at equal odds. The first steps then only learn how frequent the
classes are, and a head for many rare labels can stay there (Lin et al. 2017, Focal Loss for Dense Object Detection,
section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from classification.data.labels import LabelSpace
from classification.errors import join_first
from classification.messages.log import Line
from classification.models.parts import output_layer

# N training rows, C labels.

PRIOR, ZERO = "prior", "zero"


@dataclass(frozen=True)
class HeadPrior:
    """The bias of a new head, float64 [C], and the shares that it stands for in words."""

    logits: np.ndarray
    shares: str


def decide_prior(
    task: LabelSpace, label_ids: Sequence, weights: np.ndarray | None = None, *, balanced: bool = False
) -> HeadPrior | None:
    """The prior of the rows as the training objective counts them; None for a task without classes.

    Args:
        label_ids: of the training rows, [N] or [N, C].
        weights: class weights in the shape of `task.answer_counts`.
        balanced: whether rows are drawn so that every class that occurs is equally frequent.
    """
    counts = task.answer_counts(np.asarray(label_ids))
    if balanced:
        counts = np.where(counts > 0, counts.sum() / max((counts > 0).sum(), 1), 0.0)
    if weights is not None:
        counts = counts * weights
    logits = task.prior_logits(counts)
    if logits is None:
        return None
    probabilities = np.ravel(task.probabilities(logits[None]))  # type: ignore[arg-type]
    parts = (f"{name} {share(p)}" for name, p in zip(task.names, probabilities, strict=True))
    kind = " as the balanced sampler draws them" if balanced else ""
    kind += ", weighted" if weights is not None else ""
    return HeadPrior(logits, f"the class shares of train{kind}: {join_first(parts, 12)}")


def share(probability: float) -> str:
    """A share with as many digits as distinguish it from 0 and 1."""
    return f"{probability:.2f}" if 0.01 <= probability <= 0.99 else f"{probability:.3g}"


def apply_prior(model: PreTrainedModel, prior: HeadPrior) -> Line:
    """Set the bias of the output layer; all other weights and the random numbers stay as they are."""
    _, layer = output_layer(model)
    if layer is None or layer.bias is None or layer.bias.shape != prior.logits.shape:
        return Line("head", f"without a bias, so that it does not start at {prior.shares}")
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(prior.logits))
    return Line("head", f"bias at {prior.shares} (--head_init {PRIOR})")
