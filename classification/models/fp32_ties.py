"""Rows that half precision leaves near a tie: their logits are computed once more in fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from classification.data.labels import LabelSpace
from classification.data.windows import COUNTS, in_parts, pool_windows

Batch = dict[str, torch.Tensor]

TIE_MARGIN = 0.25  # logits; many times the usual rounding of bf16
ROUNDINGS = 4.0  # that a margin has at least, where the rounding is known


def near_ties(logits: np.ndarray, task: LabelSpace, rounding: float = 0.0) -> np.ndarray:
    """Numbers of the rows whose decision rounding could change, and of those that overflowed.

    Logits [B, C] -> int64 [at most B].

    Args:
        rounding: of these logits, where it was measured; a head with large weights has more.
    """
    is_finite = np.isfinite(logits).all(axis=1)
    margin = max(TIE_MARGIN, ROUNDINGS * rounding)
    return np.flatnonzero(~is_finite | (task.margin(np.nan_to_num(logits)) < margin))


@contextmanager
def full_fp32(tf32: bool | None) -> Iterator[None]:
    """Products inside are in fp32, as the saved model will compute them, also in a run that uses TF32.

    Not by the library's `enable_tf32`: it is cached (transformers 5.23), so that a second call with the same value does
    nothing, and TF32 would stay off.
    """
    backends: Any = torch.backends
    if tf32:
        backends.fp32_precision = "ieee"
    try:
        yield
    finally:
        if tf32:
            backends.fp32_precision = "tf32"


@torch.no_grad()
def fp32_logits(
    model: PreTrainedModel,
    batches: Iterable[Batch],
    rows_at_once: Callable[[Batch, torch.Tensor | None], int],
    in_passes: Callable[[Callable[[Batch], torch.Tensor], Batch], torch.Tensor],
) -> np.ndarray:
    """Logits of all batches in fp32, float32 [N, C], in the order of the batches.

    Args:
        batches: on the device of the model.
        rows_at_once: of a batch and its window counts, how many rows (or windows) the model may get at a time.
        in_passes: calls a forward pass with as much of a batch as fits into memory.
    """

    def forward(part: Batch) -> torch.Tensor:
        # The class's own forward: accelerate wraps the instance's in autocast.
        return type(model).forward(model, **part).logits

    model.eval()
    logits = []
    for batch in batches:
        counts = batch.pop(COUNTS, None)
        parts = in_parts(batch, rows_at_once(batch, counts))
        outputs = [in_passes(forward, part) for part in parts]
        logits.append(pool_windows(torch.cat(outputs).float(), counts).cpu().numpy())
    return np.concatenate(logits)
