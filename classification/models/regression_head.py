"""A regressor learns standardised targets and is saved in the labels' own units: the head is scaled, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel

from classification.data.labels import LabelSpace

LARGEST_SHIFT = 1000  # deviations; fp32 has 7 digits, and 4 of them should be left


def regression_head(model: PreTrainedModel) -> nn.Linear | None:
    """The last layer, where it gives one number and has a bias that can hold a mean."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear[-1].out_features == 1 and linear[-1].bias is not None else None


@contextmanager
def own_units(model: PreTrainedModel, labels: LabelSpace) -> Iterator[None]:
    """Inside, a regressor's output is in the labels' own units: a model that is saved here gives them everywhere.

    In training they stay standardised, also because half precision has no digits for large ones. `load_model` undoes
    it. Nothing changes without a bias in the head (as in most decoders), or where the mean is so large that fp32 would
    round the differences away (dates in seconds): the config's `label_mean` and `label_std` say what the output means.
    """
    head = regression_head(model) if labels.is_regression else None
    if head is None or abs(labels.mean) > LARGEST_SHIFT * labels.std:
        yield
        return
    before = head.weight.detach().clone(), head.bias.detach().clone()
    scale_head(head, labels.std, labels.mean)
    model.config.label_own_units = True
    try:
        yield
    finally:
        model.config.label_own_units = False
        with torch.no_grad():
            head.weight.copy_(before[0])
            head.bias.copy_(before[1])


@torch.no_grad()
def scale_head(head: nn.Linear, factor: float, shift: float) -> None:
    """Make the head's output y into factor * y + shift."""
    head.weight.mul_(factor)
    head.bias.mul_(factor).add_(shift)
