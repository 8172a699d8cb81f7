"""The layers of an encoder over real tokens only: all texts of a batch in one flat sequence, attention per text.

Padding costs nothing in the linear layers, and each of them is one call with its activation or its residual sum fused
into it (oneDNN). Where the head reads the first token only, the last layer computes nothing for the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions as EncoderOutput

# B texts of a batch, T tokens of the longest, N tokens of them all, H width, h heads, d = H / h, F inner width.

SCORES_AT_ONCE = 1 << 19  # of all heads: 1 MB in bf16, which stays in a core's cache
TYPICAL_TOKENS = 4096  # of a batch; oneDNN packs weights for it
GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # activation of a config -> of oneDNN


class LinearLayer(Protocol):
    """A linear layer with packed weights, [N, in] -> [N, out]."""

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """The output."""

    def gelu(self, hidden: torch.Tensor, form: str) -> torch.Tensor:
        """GELU of the output; `form` is `none` or `tanh`."""

    def add(self, hidden: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The sum of the output and `other`, [N, out]."""


# Layers side by side as one, in a number format; the factor multiplies the output of the first.
Pack = Callable[[Sequence[nn.Linear], torch.dtype, float], LinearLayer]


@dataclass(frozen=True)
class Linear:
    """A `LinearLayer` in bf16 or fp32."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def pack(cls, layers: Sequence[nn.Linear], dtype: torch.dtype, scale: float) -> Linear:
        """As `Pack`."""
        weight, bias = joined(layers, scale)
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), TYPICAL_TOKENS), bias.to(dtype))

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(hidden, self.weight, self.bias, "none", [], None)

    def gelu(self, hidden: torch.Tensor, form: str) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(hidden, self.weight, self.bias, "gelu", [], form)

    def add(self, hidden: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(hidden, other, self.weight, self.bias, "add")


def joined(layers: Sequence[nn.Linear], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [out, in] and biases [out] of all layers, those of the first times `scale`."""
    factors = [scale, *[1.0] * (len(layers) - 1)]
    weights = [layer.weight * factor for layer, factor in zip(layers, factors, strict=True)]
    biases = [layer.bias * factor for layer, factor in zip(layers, factors, strict=True)]
    return torch.cat(weights).float(), torch.cat(biases).float()


@dataclass(frozen=True)
class Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    @classmethod
    def of(cls, norm: nn.LayerNorm, dtype: torch.dtype) -> Norm:
        return cls(norm.weight.to(dtype), norm.bias.to(dtype), norm.eps)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(hidden, hidden.shape[-1:], self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class LayerParts:
    """The modules of a layer that norms after each sum, as BERT does."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    attention_norm: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    output_norm: nn.LayerNorm


class Layer:
    """One layer with packed weights.

    Args:
        heads: h. gelu: the form of the activation.
        first_only: whether the result is that of the first token of each text, [B, H]; else of all tokens, [N, H].
    """

    def __init__(
        self, parts: LayerParts, heads: int, dtype: torch.dtype, gelu: str, *, first_only: bool, pack: Pack
    ):  # fmt: skip
        size = parts.query.out_features // heads
        self.heads, self.size, self.gelu, self.first_only = heads, size, gelu, first_only
        scale = size**-0.5
        if first_only:
            self.query = pack([parts.query], dtype, scale)
            self.inputs = pack([parts.key, parts.value], dtype, 1.0)
        else:
            self.inputs = pack([parts.query, parts.key, parts.value], dtype, scale)
        self.output, self.attention_norm = pack([parts.output], dtype, 1.0), Norm.of(parts.attention_norm, dtype)
        self.up, self.down = pack([parts.up], dtype, 1.0), pack([parts.down], dtype, 1.0)
        self.output_norm = Norm.of(parts.output_norm, dtype)

    def __call__(self, hidden: torch.Tensor, groups: Sequence[Group], bias: Bias | None) -> torch.Tensor:
        """[N, H] -> [N, H], or [B, H] of first tokens."""
        inputs = self.inputs(hidden)
        if self.first_only:
            hidden = torch.cat([hidden[group.rows].view(group.texts, group.length, -1)[:, 0] for group in groups])
            attended = self.attend_first(self.query(hidden), inputs, groups, bias)
        else:
            attended = self.attend(inputs, groups, bias)
        hidden = self.attention_norm(self.output.add(attended, hidden))
        return self.output_norm(self.down.add(self.up.gelu(hidden, self.gelu), hidden))

    def attend(self, inputs: torch.Tensor, groups: Sequence[Group], bias: Bias | None) -> torch.Tensor:
        """Queries, keys and values of all tokens, [N, 3 H] -> [N, H]."""
        heads, size = self.heads, self.size
        attended = inputs.new_empty(len(inputs), heads * size)
        for group in groups:
            length = group.length
            states = inputs[group.rows].view(group.texts, length, 3, heads, size)
            results = attended[group.rows].view(group.texts, length, heads, size)
            some = max(1, SCORES_AT_ONCE // (heads * length * length))
            added = None if bias is None else bias(length)
            for start in range(0, group.texts, some):
                query, key, value = states[start : start + some].permute(2, 0, 3, 1, 4).reshape(3, -1, length, size)
                weights = softmax_of(torch.bmm(query, key.mT), added)
                context = torch.bmm(weights, value).view(-1, heads, length, size)
                results[start : start + some] = context.transpose(1, 2)
        return attended

    def attend_first(
        self, queries: torch.Tensor, inputs: torch.Tensor, groups: Sequence[Group], bias: Bias | None
    ) -> torch.Tensor:
        """Queries [B, H] of the first tokens, keys and values of all, [N, 2 H] -> [B, H]."""
        heads, size, attended, first = self.heads, self.size, torch.empty_like(queries), 0
        for group in groups:
            length, last = group.length, first + group.texts
            states = inputs[group.rows].view(group.texts, length, 2, heads, size).permute(2, 0, 3, 1, 4)
            key, value = states.reshape(2, -1, length, size)
            query = queries[first:last].reshape(-1, 1, size)
            added = None if bias is None else bias(length)[:, :1]
            weights = softmax_of(torch.bmm(query, key.mT), added)
            attended[first:last] = torch.bmm(weights, value).view(group.texts, heads * size)
            first = last
        return attended


Bias = Callable[[int], torch.Tensor]  # length -> what is added to the scores, [h, length, length]


def softmax_of(scores: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Scores [b h, t, T] and a bias [h, t, T] for every text -> attention weights."""
    if bias is not None:
        scores.view(-1, *bias.shape).add_(bias)
    return torch.softmax(scores, dim=-1)


@dataclass(frozen=True)
class Group:
    """Texts of equal length that follow each other in the flat sequence.

    Args:
        rows: their tokens in it.
    """

    rows: slice
    texts: int
    length: int


def groups_of(lengths: Sequence[int]) -> list[Group]:
    """The runs of equal lengths.

    >>> [(group.texts, group.length, group.rows) for group in groups_of([3, 3, 2])]
    [(2, 3, slice(0, 6, None)), (1, 2, slice(6, 8, None))]
    """
    groups: list[Group] = []
    start = first = 0
    while first < len(lengths):
        last = first + 1
        while last < len(lengths) and lengths[last] == lengths[first]:
            last += 1
        stop = start + (last - first) * lengths[first]
        groups.append(Group(slice(start, stop), last - first, lengths[first]))
        start, first = stop, last
    return groups


class FlatEncoder(nn.Module):
    """Takes the place of a model's stack of layers in inference.

    Args:
        first_only: whether the model reads nothing but the first token of what it gets.
        bias: what is added to the scores of every layer; None for nothing.
    """

    def __init__(
        self, layers: Sequence[LayerParts], heads: int, dtype: torch.dtype, gelu: str, *, first_only: bool,
        bias: Bias | None = None, pack: Pack = Linear.pack,
    ):  # fmt: skip
        super().__init__()
        last = len(layers) - 1
        self.stack = [
            Layer(parts, heads, dtype, gelu, first_only=first_only and place == last, pack=pack)
            for place, parts in enumerate(layers)
        ]
        self.dtype, self.first_only, self.bias = dtype, first_only, bias
        self.next = threading.local()  # a served model answers in several threads

    @property
    def lengths(self) -> Sequence[int]:
        """Of the texts of the next batch of this thread, which are padded on the right."""
        return self.next.lengths

    @lengths.setter
    def lengths(self, lengths: Sequence[int]) -> None:
        self.next.lengths = lengths

    def forward(self, hidden_states: torch.Tensor, *args: object, **kwargs: object) -> EncoderOutput:
        """Embeddings [B, T, H] -> fp32 states of real tokens [B, T, H], zeros elsewhere; or of first tokens [B, 1, H].

        The mask and other arguments of the layers are not read: `lengths` has what they tell.
        """
        batch, longest, width = hidden_states.shape
        lengths = self.lengths
        groups = groups_of(lengths)
        if all(length == longest for length in lengths):
            places, hidden = None, hidden_states.reshape(-1, width)
        else:
            places = torch.cat([row * longest + torch.arange(length) for row, length in enumerate(lengths)])
            hidden = hidden_states.reshape(-1, width)[places]
        hidden = hidden.to(self.dtype)
        for layer in self.stack:
            hidden = layer(hidden, groups, self.bias)
        if self.first_only:
            return EncoderOutput(last_hidden_state=hidden.float()[:, None])
        if places is not None:
            states = torch.zeros(batch * longest, width)
            states[places] = hidden.float()
            hidden = states
        return EncoderOutput(last_hidden_state=hidden.float().view(batch, longest, width))
