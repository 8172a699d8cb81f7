"""The order of an evaluation: batches of the longest rows first, and results put back in row order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from datasets import Dataset
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import BatchRebalanceSampler

from classification.training.samplers import token_lengths

ALIKE = 0.8  # of the length of the longest row


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Row numbers by descending length, ties in row order, int64 [N]."""
    return np.argsort(-lengths, kind="stable")


def in_row_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undo an order of rows: `values[k]` belongs to row `order[k]`; the result has the value of row i at i."""
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def restore_rows(values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Values by row, of values that were computed for the longest rows of a data set first."""
    return in_row_order(values, longest_first(token_lengths(dataset)))


class FixedOrderSampler(Sampler[int]):
    """Rows in one given order."""

    def __init__(self, order: np.ndarray):
        self.order = order

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
        order = longest_first(lengths)
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
