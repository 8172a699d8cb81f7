"""Linear layers in int8: weights per output channel, activations per batch (dynamic), sums in int32 (oneDNN)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from classification.models.kernels.flat_encoder import joined

# N tokens; K inputs, M outputs of a layer.

LARGEST = 127  # of a weight
STEPS = 255  # of an activation, from the least to the largest of the batch
ROWS_AT_ONCE = 1024  # that are rounded together, so that they stay in the cache


@dataclass(frozen=True)
class Int8Linear:
    """A `LinearLayer` with int8 weights; inputs and outputs are bf16.

    Args:
        weight: packed, [M, K]. scales: of each output, fp32 [M].
    """

    weight: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def pack(cls, layers: Sequence[nn.Linear], dtype: torch.dtype, scale: float) -> Int8Linear:
        """As `flat_encoder.Pack`; `dtype` is that of the outputs."""
        weight, bias = joined(layers, scale)
        scales = (weight.abs().amax(dim=1) / LARGEST).clamp(min=1e-12)
        rounded = (weight / scales[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        return cls(packed, scales, torch.zeros(len(scales), dtype=torch.int64), bias)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.product(hidden, "none", "")

    def gelu(self, hidden: torch.Tensor, form: str) -> torch.Tensor:
        return self.product(hidden, "gelu", form)

    def add(self, hidden: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return self.product(hidden, "none", "").add_(other)

    def product(self, hidden: torch.Tensor, activation: str, form: str) -> torch.Tensor:
        rounded, step, zero = quantise(hidden)
        return torch.ops.onednn.qlinear_pointwise(
            rounded, step, zero, self.weight, self.scales, self.zeros, self.bias, 1.0, 0, hidden.dtype, activation, [],
            form,
        )  # fmt: skip


def quantise(hidden: torch.Tensor) -> tuple[torch.Tensor, float, int]:
    """[N, K] -> uint8 [N, K], the size of a step, and the number that stands for 0."""
    low, high = (float(value) for value in torch.aminmax(hidden))
    if not math.isfinite(high - low):  # a step that is no number makes all outputs none
        return torch.zeros(hidden.shape, dtype=torch.uint8), math.nan, 0
    low, high = min(low, 0.0), max(high, 0.0)
    step = max((high - low) / STEPS, 1e-12)
    zero = round(-low / step)
    rounded = torch.empty(hidden.shape, dtype=torch.uint8)
    for part, target in zip(hidden.split(ROWS_AT_ONCE), rounded.split(ROWS_AT_ONCE), strict=True):
        target.copy_((part.float() * (1 / step)).add_(zero + 0.5).clamp_(0, STEPS))  # the copy rounds down
    return rounded, step, zero
