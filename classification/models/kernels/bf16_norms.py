"""Layer norms that stay in bf16 under autocast, like the matrix products around them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from classification.models.kernels.replaced_layers import replace_class


class HalfLayerNorm(nn.LayerNorm):
    """`nn.LayerNorm` with bf16 inputs and outputs under bf16 autocast; its statistics are still summed in fp32.

    Autocast makes `nn.LayerNorm` return fp32. That doubles the memory traffic and adds one cast for each product that
    reads the result, forward and backward: a fifth of a GPU's training step with large batches. Without bf16 autocast
    this layer is `nn.LayerNorm`.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., H] -> [..., H]."""
        device = hidden.device.type
        if not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) != torch.bfloat16:
            return super().forward(hidden)
        with torch.autocast(device, enabled=False):
            weight, bias = (None if given is None else given.bfloat16() for given in (self.weight, self.bias))
            return F.layer_norm(hidden.bfloat16(), self.normalized_shape, weight, bias, self.eps)


def keep_norms_in_bf16(model: nn.Module) -> int:
    """Turn the norms inside the model's layers into `HalfLayerNorm`; returns their number.

    Norms before and after the layers stay as they are. In a model that norms only the input of each layer they keep
    the running sum of the layers in fp32.
    """
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    norms = {norm for stack in stacks for norm in stack.modules() if type(norm) is nn.LayerNorm}
    for norm in norms:
        replace_class(norm, HalfLayerNorm)
    return len(norms)
