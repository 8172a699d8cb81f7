"""The order of an evaluation: samplers that put the longest rows first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_pt_utils import BatchRebalanceSampler

from classification.data.length_order import longest_first, token_bounded_batches


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
    """Batches for evaluation, as from `token_bounded_batches`.

    It inherits from `BatchRebalanceSampler` and uses nothing of it: `Trainer._get_dataloader` accepts a sampler of
    batches only if it is one.

    Args:
        lengths, max_tokens, multiple_of: as there.
    """

    def __init__(self, lengths: np.ndarray, max_tokens: int, multiple_of: int = 1):
        self.order = longest_first(lengths)
        self.batches = token_bounded_batches(lengths, max_tokens, multiple_of)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def set_epoch(self, epoch: int) -> None:
        """The order is the same in every epoch."""
