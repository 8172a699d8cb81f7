"""Attention computed in pieces that fit a CPU's cache, where torch's fused attention is slow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from classification.models.kernels.cpu_dropout import fast_dropout
from classification.models.kernels.machine import (
    USUAL,
    bf16_instructions,
    is_worth_it,
    number_of_processes,
    times_as_fast,
)

PIECES = "sdpa_in_pieces"  # with dropout; a suffix names the formats in which it is used without dropout too
FORMATS = {"bf16": torch.bfloat16, "fp32": torch.float32}
SCORES_AT_ONCE = 3 << 19  # scores of all heads per piece (3 MB in bf16), more only where one row has more
MOST_SCORES = 4 * SCORES_AT_ONCE  # per row, without dropout: 724 tokens with 12 heads
SHAPE = (8, 12, 128, 32)  # rows, heads, tokens and head size of the measured attention


def decide_attention(
    device: str, dtype: torch.dtype, config: PreTrainedConfig, *, dropout: float, compiled: bool = False,
    stored: str | None = None,
) -> tuple[str | None, str]:  # fmt: skip
    """Choose the attention implementation to load the model with (None: the library's choice), with the reason.

    On a CPU torch's fused attention has no fast path with dropout. In bf16 it may be slow without dropout too, above
    all backward: the instruction set decides, unless a measurement is far from it. torch.compile generates its own
    attention. The name says in which number formats pieces are used without dropout, so that nothing is decided later.

    Args:
        dtype: of the matrix products.
        dropout: share of the attention weights that this run drops, 0 where it does not train.
        stored: the implementation of the run that is continued, None for a run that begins.
    """
    if device != "cpu" or compiled or not _has_sdpa(config):
        return None, "the library's choice for this model"
    if stored is not None:
        return stored if stored in NAMES else None, "as in the checkpoint"
    # fp32 is decided too: near ties are predicted in it.
    used = {kind: usage_of_pieces(kind) for kind in {torch.float32, dtype}}
    name = name_of_pieces(kind for kind, (is_used, _) in used.items() if is_used)
    if dropout:
        return name, "computed in pieces, because fused attention with dropout is slow on a CPU"
    is_used, reason = used[dtype]
    return (name, f"computed in pieces, {reason}") if is_used else (None, "the library's choice for this model")


def usage_of_pieces(dtype: torch.dtype) -> tuple[bool, str]:
    """Whether pieces are used without dropout, and why. Several processes must agree, so that they do not measure."""
    usual = dtype == torch.bfloat16 and USUAL[bf16_instructions()].pieces
    if number_of_processes() > 1:
        return usual, f"which is usually faster with {bf16_instructions()}"
    faster = speed_of_pieces(dtype)
    name = "bf16" if dtype == torch.bfloat16 else "fp32"
    return is_worth_it(usual, faster), f"which in {name} is {faster:.1f} times as fast as fused attention here"


def name_of_pieces(dtypes: Iterable[torch.dtype]) -> str:
    """The implementation that uses pieces without dropout in `dtypes`."""
    used = set(dtypes)
    return "_".join([PIECES, *(name for name, dtype in FORMATS.items() if dtype in used)])


def _has_sdpa(config: PreTrainedConfig) -> bool:
    """Whether models of this kind look their attention up in the library's table, and support `sdpa`."""
    model: Any = MODEL_MAPPING.get(type(config), None)  # a tuple for Funnel, which has two
    if isinstance(model, tuple | None):
        return False
    return model._supports_sdpa and model._can_set_attn_implementation()


def attention_in_pieces(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    *,
    without_dropout: frozenset[torch.dtype] = frozenset(),
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """`sdpa`, with products and softmax computed for a few rows at a time where `sdpa` is slow.

    A piece has as many rows as keep their scores in the cache. `sdpa` itself handles grouped heads, a position bias,
    causal attention without a mask, and texts whose scores would fill the memory.

    Args:
        query, key, value: [B, heads, T, D].
        attention_mask: [B or 1, heads or 1, T or 1, T], True where a token is visible, or a bias on the scores. For a
            token that sees no other (its state is unused) the result is a mean where `sdpa` gives zeros.
        without_dropout: number formats in which pieces are used where there is no dropout too.

    Returns:
        [B, T, heads, D], and None for the attention weights.
    """
    rows, heads, length, size = query.shape
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    supported = key.shape == query.shape and not (causal and attention_mask is None)
    supported = supported and all(kwargs.get(name) is None for name in ("position_bias", "softcap", "cache"))
    if attention_mask is not None:
        supported = supported and attention_mask.dim() == 4 and attention_mask.dtype in (torch.bool, query.dtype)
    used = 0 < dropout < 1 or (not dropout and heads * length**2 <= MOST_SCORES and query.dtype in without_dropout)
    if not (supported and used):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs
        )
    at_once = max(1, SCORES_AT_ONCE // (heads * length * length))
    queries, keys, values = (states.split(at_once) for states in (query, key, value))
    biases: Sequence[torch.Tensor | None] = [None] * len(queries)
    if attention_mask is not None:
        biases = _bias(attention_mask, query.dtype).expand(rows, -1, -1, -1).split(at_once)
    scaling = size**-0.5 if scaling is None else scaling
    pieces = zip(queries, keys, values, biases, strict=True)
    return torch.cat([_attention(*piece, scaling, dropout) for piece in pieces]), None


def _bias(attention_mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The mask as numbers to add to the scores: the lowest number where a token is not visible."""
    if attention_mask.dtype != torch.bool:
        return attention_mask
    return torch.zeros(attention_mask.shape, dtype=dtype).masked_fill_(~attention_mask, torch.finfo(dtype).min)


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None, scaling: float,
    dropout: float,
) -> torch.Tensor:  # fmt: skip
    """States [b, heads, T, D] and bias [b, heads or 1, T or 1, T] -> [b, T, heads, D]."""
    rows, heads, length, size = query.shape
    query, key = query.reshape(-1, length, size), key.reshape(-1, length, size)
    # Scaled before the product is rounded, and without another pass over the scores.
    scores = torch.baddbmm(query.new_zeros(1, 1, 1), query, key.mT, beta=0, alpha=scaling)
    scores = scores.view(rows, heads, length, length)
    weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
    if dropout:
        weights = fast_dropout(weights, dropout)
    return torch.matmul(weights, value).transpose(1, 2)


NAMES = {
    name_of_pieces(formats): frozenset(formats)
    for count in (0, 1, 2)
    for formats in combinations(FORMATS.values(), count)
}
for _name, _formats in NAMES.items():
    AttentionInterface.register(_name, partial(attention_in_pieces, without_dropout=_formats))
    AttentionMaskInterface.register(_name, sdpa_mask)


@cache
@torch.inference_mode(False)
def speed_of_pieces(dtype: torch.dtype) -> float:
    """Measure how many times as fast as fused attention pieces are on this CPU, without dropout, with gradients."""
    own = torch.Generator()  # the run's own would give another head after a measurement
    inputs = query, key, value = [torch.randn(SHAPE, generator=own).to(dtype).requires_grad_() for _ in range(3)]

    def fused() -> None:
        torch.autograd.grad(F.scaled_dot_product_attention(query, key, value).sum(), inputs)

    def in_pieces() -> None:
        torch.autograd.grad(_attention(query, key, value, None, SHAPE[-1] ** -0.5, 0.0).sum(), inputs)

    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        return times_as_fast(fused, in_pieces)
