"""The order of an evaluation: batches of the longest rows first, and results put back in row order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_pt_utils import BatchRebalanceSampler

ALIKE = 0.8  # of the length of the longest row


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Row numbers by descending length, ties in row order, int64 [N]."""
    return np.argsort(-lengths, kind="stable")


def in_row_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undo an order of rows: `values[k]` belongs to row `order[k]`; the result has the value of row i at i."""
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def order_of(dataloader: DataLoader) -> np.ndarray:
    """The row numbers of a loader of evaluation in its order, int64 [N], from our sampler inside it.

    Raises:
        AttributeError: another sampler visits the rows, so that their order is unknown.
    """
    sampler: Any = dataloader.batch_sampler
    while not hasattr(sampler, "order"):  # accelerate and torch wrap it
        sampler = getattr(sampler, "batch_sampler", None) or sampler.sampler
    return sampler.order


class FixedOrderSampler(Sampler[int]):
    """The longest rows first.

    Args:
        lengths: tokens per row, [N].
    """

    def __init__(self, lengths: np.ndarray):
        self.order = longest_first(lengths)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.tolist())


class TokenBoundedBatches(BatchRebalanceSampler):
    """Batches for evaluation, the longest rows first, each with as many rows as fit into `max_tokens` with padding.

    That is 32 long texts, or 500 short ones, for which a batch of 32 would leave the processor idle. From a quarter of
    the tokens on, a batch ends where rows are shorter than 4/5 of its first row, because they would be mostly padding.

    It inherits from `BatchRebalanceSampler` and uses nothing of it: `Trainer._get_dataloader` accepts a sampler of
    batches only if it is one.

    Args:
        lengths: tokens per row, [N].
        max_tokens: a longer row is a batch of its own.
        multiple_of: batches are padded to a multiple of this.
    """

    def __init__(self, lengths: np.ndarray, max_tokens: int, multiple_of: int = 1):
        self.order = order = longest_first(lengths)
        descending = lengths[order]
        self.batches: list[list[int]] = []
        start = 0
        while start < len(order):
            padded = multiple_of * max(1, -(-int(descending[start]) // multiple_of))  # a text may have no tokens
            fit = max(1, max_tokens // padded)
            similar_rows = np.searchsorted(-descending, -descending[start] * ALIKE, side="right") - start
            stop = start + min(fit, max(int(similar_rows), fit // 4, 1))
            self.batches.append(order[start:stop].tolist())
            start = stop

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def set_epoch(self, epoch: int) -> None:
        """The order is the same in every epoch."""
