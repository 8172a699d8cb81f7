"""Dropout: how much of the attention weights is dropped, and cheaper random bits for the rest on a processor."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from classification.errors import UsageError

LEVELS = 1 << 16  # 16 random bits an element


def attention_dropout_name(config) -> str | None:
    """What the model's config calls the dropout on its attention weights."""
    names = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
    return next((name for name in names if hasattr(config.get_text_config(), name)), None)


def dropout_of_attention(config) -> float:
    """The share of the attention weights that training drops."""
    name = attention_dropout_name(config)
    return (name and getattr(config.get_text_config(), name)) or 0.0


def set_attention_dropout(config, value: float) -> None:
    """Say how much of the attention weights is dropped in training.

    Raises:
        UsageError: the model drops none.
    """
    name = attention_dropout_name(config)
    if name is not None:
        setattr(config.get_text_config(), name, value)
    elif value:
        raise UsageError(f"--attention_dropout {value:g}: this model has no such dropout. Leave it out.")


def cheap_dropout(hidden: torch.Tensor, p: float) -> torch.Tensor:
    """`F.dropout` with random bits that a processor draws faster, many times so for many numbers: [...] -> [...], in
    the dtype of `hidden`.

    torch's generator makes one Bernoulli draw an element, its steps one after the other. Here it draws the seed of an
    SFC64 generator (Doty-Humphrey's, in numpy), which gives 16 bits an element: a run's seed, a resumed run and
    activations that are computed again all mean the same masks as ever. `p` is rounded down to a 65,536th, and the
    scale of what is kept is that of the rounded `p`.
    """
    dropped = int(p * LEVELS)
    seed = int(torch.randint(1 << 62, ()))
    words = np.random.SFC64(seed).random_raw(math.ceil(hidden.numel() / 4))
    bits = torch.from_numpy(words.view(np.int16))[: hidden.numel()].view(hidden.shape)
    mask = (bits >= dropped - LEVELS // 2).to(hidden.dtype)
    return hidden * mask.mul_(LEVELS / (LEVELS - dropped))


class CheapDropout(nn.Dropout):
    """`nn.Dropout` by `cheap_dropout`."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return cheap_dropout(hidden, self.p) if self.training else hidden


def cheapen_dropout(model: nn.Module) -> set[float]:
    """Put `CheapDropout` in the place of every `nn.Dropout` that drops anything; returns their probabilities."""
    cheap = {}  # by the layer that each replaces, for one that stands in two places
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):
            if type(child) is nn.Dropout and 0 < child.p < 1:
                setattr(module, name, cheap.setdefault(child, CheapDropout(child.p).train(child.training)))
    return {layer.p for layer in cheap}


def describe_dropout(cheap: set[float], given: float, own: float) -> str | None:
    """What of a model's dropout is not as its config and torch have it; None where all of it is.

    Args:
        cheap: as from `cheapen_dropout`; given, own: of the attention weights, now and in the model's own config.
    """
    parts = []
    if given != own:
        parts.append(f"{given:g} of the attention weights, not the model's own {own:g}")
    if cheap:
        shares = " and ".join(f"{p:g}" for p in sorted(cheap))
        parts.append(f"{shares} in its layers, by random bits from SFC64, which a processor draws faster than torch's")
    return "; ".join(parts) or None
