"""A regressor trains on standardised numbers and is saved in the units of its labels: its head is scaled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace

LARGEST_SHIFT = 1000  # standard deviations; fp32 has 7 digits, and 4 of them should be left


def regression_head(model: PreTrainedModel) -> nn.Linear | None:
    """The last linear layer, where it has one output and a bias that can hold a mean."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear[-1].out_features == 1 and linear[-1].bias is not None else None


@contextmanager
def own_units(model: PreTrainedModel, task: LabelSpace) -> Iterator[None]:
    """Inside, a regressor's output is in the units of its labels: a model that is saved here has these units anywhere.

    Training needs standardised numbers, because half precision has no digits for large ones; `standardise_output`
    reverts the scale after loading. Nothing changes without a bias in the head (as in most decoders), or where the mean
    is so large that fp32 would round the differences away (dates in seconds). The config's `label_mean` and `label_std`
    then explain the output.
    """
    scale = task.output_scale
    head = regression_head(model) if scale is not None else None
    if scale is None or head is None or abs(scale[1]) > LARGEST_SHIFT * scale[0]:
        yield
        return
    weight, bias = head.weight.detach().clone(), head.bias.detach().clone()
    scale_head(head, *scale)
    model.config.label_own_units = True
    try:
        yield
    finally:
        model.config.label_own_units = False
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)


def saved_scale(config: PreTrainedConfig) -> tuple[float, float] | None:
    """Standard deviation and mean of the labels of a saved regressor in own units, None for any other model."""
    if not getattr(config, "label_own_units", False):
        return None
    return getattr(config, "label_std", 1.0), getattr(config, "label_mean", 0.0)


def standardise_output(model: PreTrainedModel, std: float, mean: float) -> None:
    """Revert `own_units` in a loaded model. A head that was replaced by one for classes stays as it is."""
    model.config.label_own_units = False
    head = regression_head(model)
    if head is not None:
        scale_head(head, 1 / std, -mean / std)


@torch.no_grad()
def scale_head(head: nn.Linear, factor: float, shift: float) -> None:
    """Change the head's output y to factor * y + shift."""
    head.weight.mul_(factor)
    head.bias.mul_(factor).add_(shift)
