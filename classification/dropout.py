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


class CheapDropout(nn.Dropout):
    """`nn.Dropout` with random bits that a processor draws in a fifth of the time.

    torch's generator makes one Bernoulli draw an element, its steps one after the other. Here it draws the seed of an
    SFC64 generator (Doty-Humphrey's, in numpy), which gives 16 bits an element: a run's seed, a resumed run and
    activations that are computed again all mean the same masks as ever. `p` is rounded down to a 65,536th, and the
    scale of what is kept is that of the rounded `p`.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[...] -> [...], in the dtype of `hidden`."""
        if not self.training or torch.compiler.is_compiling():  # compiled, torch's own is fused and cheap
            return super().forward(hidden)
        dropped = int(self.p * LEVELS)
        seed = int(torch.randint(1 << 62, ()))
        words = np.random.SFC64(seed).random_raw(math.ceil(hidden.numel() / 4))
        bits = torch.from_numpy(words.view(np.int16))[: hidden.numel()].view(hidden.shape)
        mask = (bits >= dropped - LEVELS // 2).to(hidden.dtype)
        return hidden * mask.mul_(LEVELS / (LEVELS - dropped))


def cheapen_dropout(model: nn.Module) -> None:
    """Put `CheapDropout` in the place of every `nn.Dropout` that drops anything."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout and 0 < child.p < 1:
                setattr(module, name, CheapDropout(child.p).train(child.training))


def describe_dropout(model: nn.Module, own: float) -> str:
    """What training drops, and what of it is not as the model's own config and torch have it.

    Args:
        own: of the attention weights, as the model's config had it.
    """
    drops = {module.p for module in model.modules() if isinstance(module, nn.Dropout) and module.p}
    cheap = any(isinstance(module, CheapDropout) for module in model.modules())
    given = dropout_of_attention(model.config)
    shown = " and ".join(f"{p:g}" for p in sorted(drops)) or "none"
    shown += ", random bits from SFC64 (a processor draws them five times as fast)" if cheap else ""
    return shown + (f"; of the attention weights {given:g}, not the model's own {own:g}" if given != own else "")
