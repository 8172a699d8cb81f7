"""The order of the training rows: batches of rows of similar length have little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset
from torch.utils.data import Sampler

from classification.messages.log import Line, warning

BATCHES_PER_CHUNK, CHUNKS = 50, 12


def token_lengths(dataset: Dataset) -> np.ndarray:
    """Tokens per row, over all its windows, int64 [N], from the Arrow offsets: the tokens themselves are not read."""
    column = dataset.with_format("arrow")[:].column("input_ids")
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    if not pa.types.is_nested(column.type.value_type):
        return lengths
    window_lengths = pc.list_value_length(pc.list_flatten(column)).to_numpy().astype(np.int64)
    return np.add.reduceat(window_lengths, np.cumsum(lengths) - lengths)  # every row has a window


def class_draw_weights(label_ids: Sequence[int]) -> np.ndarray:
    """Weights [N] that draw every class equally often: one over the number of rows of the class."""
    ids = np.asarray(label_ids)
    return 1.0 / np.bincount(ids)[ids]


def describe_balanced(*, weighted: bool) -> list[Line]:
    """The line about `--sampler balanced`, and a warning where the objective has class weights too."""
    lines = [Line("sampler", "balanced: rows are drawn with replacement, every class equally often")]
    if weighted:
        lines.append(warning("--sampler balanced and --class_weights both raise rare classes: use one of them"))
    return lines


class TrainSampler(Sampler[int]):
    """A new order per epoch: every row exactly once, or with `weights` as many draws with replacement.

    The sampler has its own generator, seeded by (seed, epoch). All processes get the same order, and a resumed run
    gets the order of the interrupted one. (The library seeds with seed + epoch, so that epoch 1 of seed 42 is epoch 0
    of seed 43, and its length grouping draws from the global generator.)

    With `lengths`, rows are shuffled, cut into chunks of 50 batches, sorted by length inside each chunk, and the
    batches are shuffled. An epoch has at least 12 chunks. Smaller data has smaller chunks, down to plain shuffling
    below 24 batches, because in few steps batches of one length teach less (docs/results.md). The batch with the
    longest row comes first, so that a lack of memory shows in the first step.

    Args:
        num_rows: N. Row number N is the padding row (see `with_padding_row`).
        batch_size: rows per optimizer step over all micro-batches and processes. A step sees the same rows however it
            is cut.
        multiple_of: the order is filled up with the padding row to a multiple of this.
        lengths: tokens per row, [N], to group by; None for a plain shuffle.
        weights: of the rows, [N]; a row is drawn in proportion to its weight.
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
            cumulative = np.cumsum(self.weights) / np.sum(self.weights)
            order = np.searchsorted(cumulative, torch.rand(self.num_rows, generator=generator, dtype=torch.float64))
            order = np.minimum(order, self.num_rows - 1)  # rounding may leave the last value just below 1
        if self.lengths is not None:
            order = self._grouped(order, self.lengths, generator)
        return iter(order.tolist() + [self.num_rows] * self.padding)

    def _grouped(self, shuffled: np.ndarray, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        chunk = self.batch_size * max(1, min(BATCHES_PER_CHUNK, len(shuffled) // (CHUNKS * self.batch_size)))
        batches: list[np.ndarray] = []
        for start in range(0, len(shuffled), chunk):
            rows = shuffled[start : start + chunk]
            rows = rows[np.argsort(-lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        short = [len(batches) - 1] if len(batches[-1]) < self.batch_size else []  # not full, so it stays the last one
        order = torch.randperm(len(batches) - len(short), generator=generator).tolist()
        if order:
            longest = max(range(len(order)), key=lambda place: lengths[batches[order[place]][0]])
            order.insert(0, order.pop(longest))
        return np.concatenate([batches[i] for i in order + short])
