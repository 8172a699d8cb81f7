"""Which tensors weight decay acts on.

The Trainer already leaves out biases and every kind of norm (the list `["bias", "LayerNorm.weight"]` of the
tutorials misses the norms of DistilBERT, ALBERT and ModernBERT), so nothing is overridden: this file only says it.
"""

from __future__ import annotations

from torch import nn


def describe_decay(model: nn.Module, decayed: set[str], weight_decay: float) -> str:
    """One line with the number of tensors and parameters on both sides.

    Args:
        decayed: names of the decayed parameters, from `Trainer.get_decay_parameter_names`.
    """
    trainable = {name: parameter.numel() for name, parameter in model.named_parameters() if parameter.requires_grad}
    inside = [size for name, size in trainable.items() if name in decayed]
    outside = [size for name, size in trainable.items() if name not in decayed]
    return (
        f"{weight_decay:g} on {len(inside)} weight tensors ({sum(inside) / 1e6:.2f}M parameters), "
        f"none on {len(outside)} biases and norms ({sum(outside) / 1e6:.2f}M)"
    )
