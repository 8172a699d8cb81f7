"""Attention written out in pieces that a processor's cache holds, where torch's fused attention is slow."""

from __future__ import annotations

import time
from functools import cache

import torch
import torch.nn.functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from classification.models.kernels.cpu_dropout import cheap_dropout, dropout_of_attention
from classification.models.precision import MUCH_FASTER, Precision

PIECES = "sdpa_in_pieces"
SCORES_AT_ONCE = 3 << 19  # of all heads: 3 MB in bf16, but where one row has more
MOST_SCORES = 4 * SCORES_AT_ONCE  # of one row, without dropout: 724 tokens of 12 heads
SHAPE = (8, 12, 128, 32)  # rows, heads, tokens and numbers a head of the measured attention


def decide_attention(
    device: str, precision: Precision, config, *, training: bool, compiled: bool = False
) -> tuple[str | None, str]:
    """The attention implementation to load the model with (None: the library's choice), and why.

    torch.compile makes its own. On a processor torch's fused attention has no fast path with dropout, and draws its
    random bits slowly; in bf16 it may be slow without, backward above all: that is measured.
    """
    dtype = torch.bfloat16 if precision.name == "bf16" else torch.float32
    if device == "cpu" and not compiled and _has_fused(config):
        # In fp32 too: near ties are predicted in it, and whoever asks later may be counting operations.
        faster = {kind: speed_of_pieces(kind) for kind in (torch.float32, dtype)}[dtype]
        if training and dropout_of_attention(config):
            return PIECES, "written out in pieces, since fused attention with dropout is slow on a processor"
        if faster > MUCH_FASTER:
            measured = f"in {precision.name} is {faster:.1f} times as fast as fused attention on this processor"
            return PIECES, f"written out in pieces, which {measured}"
    return None, "the library's choice for this model"


def _has_fused(config) -> bool:
    """Whether models of this kind take their attention from the library's table, and have `sdpa`."""
    model = MODEL_MAPPING.get(type(config), None)
    return model is not None and model._supports_sdpa and model._can_set_attn_implementation()


def attention_in_pieces(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """`sdpa`, but where that is slow the products and the softmax are written out, for as many rows at a time as make
    scores that stay in the cache. What only `sdpa` knows (grouped heads, a position bias, the future hidden without a
    mask), and texts so long that their scores would fill the memory, are left to it.

    Args:
        query, key, value: [B, heads, T, D]; attention_mask: [B or 1, heads or 1, T or 1, T], True where a token is
            seen, or what is added to the scores. (A token that sees none, which nobody reads, gets a mean where `sdpa`
            gives zeros.)

    Returns:
        [B, T, heads, D], and None for the attention weights.
    """
    rows, heads, length, size = query.shape
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    usual = key.shape == query.shape and not (causal and attention_mask is None)
    usual = usual and all(kwargs.get(name) is None for name in ("position_bias", "softcap", "cache"))
    if attention_mask is not None:
        usual = usual and attention_mask.dim() == 4 and attention_mask.dtype in (torch.bool, query.dtype)
    if dropout:
        pays = dropout < 1
    else:
        pays = heads * length**2 <= MOST_SCORES and speed_of_pieces(query.dtype) > MUCH_FASTER
    if not (usual and pays):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs
        )
    at_once = max(1, SCORES_AT_ONCE // (heads * length * length))
    pieces = [states.split(at_once) for states in (query, key, value)]
    if attention_mask is None:
        pieces.append([None] * len(pieces[0]))
    else:
        pieces.append(_bias(attention_mask, query.dtype).expand(rows, -1, -1, -1).split(at_once))
    scaling = size**-0.5 if scaling is None else scaling
    return torch.cat([_attention(*piece, scaling, dropout) for piece in zip(*pieces, strict=True)]), None


def _bias(attention_mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to the scores: of a mask of booleans the lowest number where a token is not seen."""
    if attention_mask.dtype != torch.bool:
        return attention_mask
    return torch.zeros(attention_mask.shape, dtype=dtype).masked_fill_(~attention_mask, torch.finfo(dtype).min)


def _attention(query, key, value, bias, scaling: float, dropout: float) -> torch.Tensor:
    rows, heads, length, size = query.shape
    query, key = query.reshape(-1, length, size), key.reshape(-1, length, size)
    # Scaled before the product is rounded, and without another pass over the scores.
    scores = torch.baddbmm(query.new_zeros(1, 1, 1), query, key.mT, beta=0, alpha=scaling)
    scores = scores.view(rows, heads, length, length)
    weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
    if dropout:
        weights = cheap_dropout(weights, dropout)
    return torch.matmul(weights, value).transpose(1, 2)


AttentionInterface.register(PIECES, attention_in_pieces)
AttentionMaskInterface.register(PIECES, sdpa_mask)


@cache
@torch.inference_mode(False)
def speed_of_pieces(dtype: torch.dtype, repeats: int = 5) -> float:
    """How many times as fast as fused attention it is without dropout, forward and backward, on this processor."""

    def pieces(query, key, value):
        return _attention(query, key, value, None, SHAPE[-1] ** -0.5, 0.0)

    seconds = {pieces: [], F.scaled_dot_product_attention: []}
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        own = torch.Generator()  # the run's would give another head where this is measured first
        inputs = [torch.randn(SHAPE, generator=own).to(dtype).requires_grad_() for _ in range(3)]
        for _ in range(repeats + 1):
            for attend, taken in seconds.items():
                start = time.perf_counter()
                torch.autograd.grad(attend(*inputs).sum(), inputs)
                taken.append(time.perf_counter() - start)
    ours, fused = (min(taken[1:]) for taken in seconds.values())
    return fused / ours
