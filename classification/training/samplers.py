"""Orders in which rows are visited so that batches hold rows of like length and little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset, concatenate_datasets
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import BatchRebalanceSampler

BATCHES_PER_CHUNK, CHUNKS = 50, 12
ALIKE = 0.8  # of the longest row's length
IGNORED = -100  # the label that torch's cross entropy and the Trainer's count of rows leave out


def token_lengths(dataset: Dataset) -> np.ndarray:
    """Tokens per row, of all its windows, int64 [N], read from the Arrow offsets without touching the tokens."""
    column = dataset.with_format("arrow")[:].column("input_ids")
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    if not pa.types.is_nested(column.type.value_type):
        return lengths
    of_windows = pc.list_value_length(pc.list_flatten(column)).to_numpy().astype(np.int64)
    return np.add.reduceat(of_windows, np.cumsum(lengths) - lengths)  # every row has a window


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Row numbers by falling length, ties in row order, int64 [N]."""
    return np.argsort(-lengths, kind="stable")


def in_row_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undo a visiting order: `values[k]` was computed for row `order[k]`; returns values by row."""
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def class_draw_weights(label_ids: Sequence[int]) -> np.ndarray:
    """Weights [N] with which every class is drawn equally often: one over the rows of the row's class."""
    label_ids = np.asarray(label_ids)
    return 1.0 / np.bincount(label_ids)[label_ids]


class FixedOrderSampler(Sampler[int]):
    """Visits rows in one given order."""

    def __init__(self, order: np.ndarray):
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.tolist())


class TokenBoundedBatches(BatchRebalanceSampler):
    """Batches for evaluation, the longest rows first, each of as many rows as fit into `max_tokens` with their padding:
    32 long texts, or 500 short ones, for which a batch of 32 would hardly be work. A batch with a quarter of the tokens
    is work enough: it ends where rows are shorter than 4/5 of its first, and would be padding.

    It is a `BatchRebalanceSampler` by name alone: the one kind of sampler that the Trainer takes for one of batches.

    Args:
        lengths: tokens per row, [N].
        max_tokens: a row that is longer makes a batch of its own.
        multiple_of: what the longest row of a batch is padded to.
    """

    def __init__(self, lengths: np.ndarray, max_tokens: int, multiple_of: int = 1):
        order = longest_first(lengths)
        falling = lengths[order]
        self.batches: list[list[int]] = []
        start = 0
        while start < len(order):
            padded = multiple_of * max(1, -(-int(falling[start]) // multiple_of))  # a text may have no tokens
            fit = max(1, max_tokens // padded)
            alike = np.searchsorted(-falling, -falling[start] * ALIKE, side="right") - start
            stop = start + min(fit, max(int(alike), fit // 4, 1))
            self.batches.append(order[start:stop].tolist())
            start = stop

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def set_epoch(self, epoch: int) -> None:
        """The order is the same in every epoch."""


class TrainSampler(Sampler[int]):
    """A new order each epoch from a generator of its own, seeded by (seed, epoch): every row exactly once, or with
    `weights` as many draws with replacement.

    All processes see one order and a resumed run sees the order that it left. (The library seeds with seed + epoch, so
    that epoch 1 of seed 42 is epoch 0 of seed 43; its length grouping draws from the global generator.)

    With `lengths`, rows are shuffled, cut into chunks of 50 batches, sorted by length inside a chunk, and the batches
    shuffled: neighbours have like lengths. An epoch has 12 chunks at least, of smaller data smaller ones, down to plain
    shuffling below 24 batches: in few steps batches of one length each teach less (docs/results.md), and the time is
    short. The batch with the longest row comes first, so that a lack of memory shows in the first step.

    Args:
        num_rows: N; the number N itself stands for the padding row (see `with_padding_row`).
        batch_size: rows of an optimizer step, over all its micro-batches and processes: however it is cut, a step sees
            the same rows.
        multiple_of: the order is filled up with the padding row to a multiple of this.
        lengths: tokens per row, [N], to group by; None for a plain shuffle.
        weights: of the rows, [N], in proportion to which they are drawn.
    """

    def __init__(
        self,
        num_rows: int,
        *,
        batch_size: int,
        seed: int,
        multiple_of: int = 1,
        lengths: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ):
        self.num_rows = num_rows
        self.batch_size = batch_size
        self.seed = seed
        self.padding = -num_rows % multiple_of
        self.lengths = lengths
        self.weights = weights
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_rows + self.padding

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            order = torch.randperm(self.num_rows, generator=generator).numpy()
        else:
            heights = np.cumsum(self.weights) / np.sum(self.weights)
            order = np.searchsorted(heights, torch.rand(self.num_rows, generator=generator, dtype=torch.float64))
            order = np.minimum(order, self.num_rows - 1)  # the last height may be a rounding below 1
        if self.lengths is not None:
            order = self._grouped(order, generator)
        return iter(order.tolist() + [self.num_rows] * self.padding)

    def _grouped(self, shuffled: np.ndarray, generator: torch.Generator) -> np.ndarray:
        chunk = self.batch_size * max(1, min(BATCHES_PER_CHUNK, len(shuffled) // (CHUNKS * self.batch_size)))
        batches = []
        for start in range(0, len(shuffled), chunk):
            rows = shuffled[start : start + chunk]
            rows = rows[np.argsort(-self.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        short = [len(batches) - 1] if len(batches[-1]) < self.batch_size else []  # stays last: all others are full
        order = torch.randperm(len(batches) - len(short), generator=generator).tolist()
        if order:
            longest = max(range(len(order)), key=lambda place: self.lengths[batches[order[place]][0]])
            order.insert(0, order.pop(longest))
        return np.concatenate([batches[i] for i in order + short])


def with_padding_row(dataset: Dataset) -> Dataset:
    """The data set and behind it one row whose label, -100, every loss and count ignores.

    Several processes need equally many rows. The library repeats rows from the start of the epoch, which then weigh
    double; this row fills the gap and weighs nothing.
    """
    row = dataset.select([0])
    label = row["labels"][0]
    ignored = row.remove_columns("labels").add_column(
        "labels", [[IGNORED] * len(label) if isinstance(label, list) else IGNORED], feature=dataset.features["labels"]
    )
    return concatenate_datasets([dataset, ignored.select_columns(dataset.column_names)])
