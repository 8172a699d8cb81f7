"""Floating-point operations of a model, counted on the model itself."""

from __future__ import annotations

import math

import numpy as np
import torch
from peft import PeftModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from classification.models.parts import in_head, in_numbered_layer

Shape = tuple[int, ...]


class Flops:
    """Operations of a forward pass over a text of T tokens: `per_token` * T + `per_square` * T * T.

    The square is attention's. The head's operations do not depend on T and are left out. A parabola through three
    counted passes gives the two factors.

    Args:
        longest: tokens that the model reads at most.

    Raises:
        Exception: whatever a model raises that cannot be counted.
    """

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, longest: int):
        long = min(128, longest)
        lengths = (long // 4, long // 2, long)
        self.per_square, self.per_token, _ = np.polyfit(lengths, [self._count(model, length) for length in lengths], 2)

    @staticmethod
    def _count(model: PreTrainedModel, length: int) -> int:
        was_training = model.training
        model.eval()
        ids = torch.full((1, length), 1, device=model.device)
        # The counter knows the products inside attention, but not every fused kernel, and no fused LSTM.
        with FlopCounterMode(display=False, custom_mapping=LSTMS) as counter, sdpa_kernel(SDPBackend.MATH):
            type(model).forward(model, input_ids=ids, attention_mask=torch.ones_like(ids))
        model.train(was_training)
        return counter.get_total_flops()


def _mkldnn_lstm(states: Shape, input_weight: Shape, hidden_weight: Shape, *others: object, **outputs: object) -> int:
    return 2 * math.prod(states[:-1]) * (math.prod(input_weight) + math.prod(hidden_weight))


def _cudnn_lstm(states: Shape, weights: list[Shape], *others: object, **outputs: object) -> int:
    return 2 * math.prod(states[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2)


# Operations of torch -> their arithmetic, from the shapes of their arguments: states [T, B, E] (or [B, T, E]).
LSTMS = {torch.ops.aten.mkldnn_rnn_layer: _mkldnn_lstm, torch.ops.aten._cudnn_rnn: _cudnn_lstm}


def passes_of_training(model: nn.Module) -> float:
    """The cost of a training step, in forward passes.

    It is 3 where every weight trains, because a backward pass has two products for each product of the forward pass.
    It is less where weights are frozen. Adapters need the gradients of the states, but not those of the weights.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    weights = [  # of every product in its layers
        weight
        for name, weight in base.named_parameters()
        if weight.dim() == 2 and not in_head(name, base) and in_numbered_layer(name)
    ]
    trainable = sum(weight.numel() for weight in weights if weight.requires_grad)
    share = trainable / max(sum(weight.numel() for weight in weights), 1)
    return 2 + share if base is not model else 1 + 2 * share
