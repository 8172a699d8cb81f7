"""Orders in which rows are visited so that batches hold rows of like length and little padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset
from torch.utils.data import Sampler

BATCHES_PER_CHUNK = 50


def token_lengths(dataset: Dataset) -> np.ndarray:
    """Tokens per row, int64 [N], read from the Arrow offsets without touching the tokens."""
    column = dataset.with_format("arrow")[:].column("input_ids")
    return pc.list_value_length(column).to_numpy().astype(np.int64)


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Row numbers by falling length, ties in row order, int64 [N]."""
    return np.argsort(-lengths, kind="stable")


def in_row_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undo a visiting order: `values[k]` was computed for row `order[k]`; returns values by row."""
    restored = np.empty_like(values)
    restored[order] = values
    return restored


class FixedOrderSampler(Sampler[int]):
    """Visits rows in one given order."""

    def __init__(self, order: np.ndarray):
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.tolist())


class LengthGroupedSampler(Sampler[int]):
    """A new random order each epoch in which neighbours have like lengths: every row exactly once.

    Rows are shuffled, cut into chunks of 50 batches, sorted by length inside a chunk, and the batches shuffled. Unlike
    the library's sampler it draws from a generator of its own, seeded by (seed, epoch): all processes see one order,
    and a resumed run sees the order that it left.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        shuffled = torch.randperm(len(self), generator=generator).numpy()
        chunk = self.batch_size * BATCHES_PER_CHUNK
        batches = []
        for start in range(0, len(shuffled), chunk):
            rows = shuffled[start : start + chunk]
            rows = rows[np.argsort(-self.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        # The one short batch stays last, so that all others are full.
        order = torch.randperm(len(batches) - 1, generator=generator).tolist() + [len(batches) - 1]
        return iter(np.concatenate([batches[i] for i in order]).tolist())
