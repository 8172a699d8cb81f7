"""Dropout with random bits that a CPU draws faster than torch's own."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from classification.models.kernels.replaced_layers import replace_class

LEVELS = 1 << 16  # 16 random bits per element


def fast_dropout(hidden: torch.Tensor, p: float) -> torch.Tensor:
    """`F.dropout` with random bits from SFC64: [...] -> [...] in the dtype of `hidden`.

    torch draws one Bernoulli number per element, one after the other. Here torch draws only the seed of an SFC64
    generator (Doty-Humphrey's, in numpy), which gives 16 bits per element. The masks still follow from the seed of the
    run, also in a resumed run and for activations that are computed twice. `p` is rounded down to a multiple of
    1/65,536, and the kept elements are scaled by the rounded `p`.
    """
    dropped = int(p * LEVELS)
    seed = int(torch.randint(1 << 62, ()))
    words = np.random.SFC64(seed).random_raw(math.ceil(hidden.numel() / 4))
    bits = torch.from_numpy(words.view(np.int16))[: hidden.numel()].view(hidden.shape)
    mask = (bits >= dropped - LEVELS // 2).to(hidden.dtype)
    return hidden * mask.mul_(LEVELS / (LEVELS - dropped))


class FastDropout(nn.Dropout):
    """`nn.Dropout` by `fast_dropout`."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return fast_dropout(hidden, self.p) if self.training else hidden


def replace_dropout(model: nn.Module) -> set[float]:
    """Turn every `nn.Dropout` with a probability above 0 into `FastDropout`; returns the probabilities."""
    layers = [layer for layer in model.modules() if type(layer) is nn.Dropout and 0 < layer.p < 1]
    for layer in layers:
        replace_class(layer, FastDropout)
    return {layer.p for layer in layers}
