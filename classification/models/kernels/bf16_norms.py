"""Layer norms that stay in the number format of the products around them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class HalfLayerNorm(nn.LayerNorm):
    """`nn.LayerNorm` that under bf16 autocast takes and gives bf16; its statistics are summed in fp32 all the same.

    Autocast has it give fp32, which is twice the memory to move, and cast back for each of the products that follow,
    and so for their gradients: a fifth of a GPU's step of a large batch. Elsewhere it is `nn.LayerNorm`.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., H] -> [..., H]."""
        kind = hidden.device.type
        if not torch.is_autocast_enabled(kind) or torch.get_autocast_dtype(kind) != torch.bfloat16:
            return super().forward(hidden)
        with torch.autocast(kind, enabled=False):
            weight, bias = (None if given is None else given.bfloat16() for given in (self.weight, self.bias))
            return F.layer_norm(hidden.bfloat16(), self.normalized_shape, weight, bias, self.eps)


def keep_norms_in_half(model: nn.Module) -> int:
    """Make the norms of the model's layers `HalfLayerNorm`; returns their number.

    Those before and after the layers stay: with them a model that norms what a layer reads, not what it adds to, keeps
    the running sum of its layers in fp32.
    """
    layers = [layers for layers in model.modules() if isinstance(layers, nn.ModuleList)]
    norms = {norm for one in layers for norm in one.modules() if type(norm) is nn.LayerNorm}
    for norm in norms:
        norm.__class__ = HalfLayerNorm  # the parameters, their names and all hooks stay
    return len(norms)
