"""Documents in windows: one row per document everywhere; only batches and the call of the model have windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from transformers import DataCollatorWithPadding

if TYPE_CHECKING:
    from datasets import Dataset

# B documents of a batch, W windows of them all, C labels.

COUNTS = "window_counts"  # [B], number of windows of each document
TEACHER = "teacher_logits"  # [B, C], what a teacher gives each document
OF_DOCUMENTS = ("labels", TEACHER)  # columns of the rows that have one value per document
IGNORED = -100  # the label that torch's cross entropy and the Trainer's count of rows leave out


class WindowCollator:
    """Concatenates the windows of a batch of documents and pads them: `input_ids` [W, T], `labels` [B] or [B, C],
    `window_counts` [B] and, with a teacher, `teacher_logits` [B, C].

    Args:
        pad: the collator for rows of one window.
    """

    def __init__(self, pad: DataCollatorWithPadding):
        self.pad = pad

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        names = [name for name, value in rows[0].items() if isinstance(value, list) and isinstance(value[0], list)]
        windows = [
            dict(zip(names, window, strict=True))
            for row in rows
            for window in zip(*(row[name] for name in names), strict=True)
        ]
        batch = dict(self.pad(windows))
        batch[COUNTS] = torch.tensor([len(row["input_ids"]) for row in rows])
        for name in OF_DOCUMENTS:
            if name in rows[0]:
                batch[name] = torch.tensor([row[name] for row in rows])
        return batch


def documents_of_windows(counts: torch.Tensor, num_windows: int) -> torch.Tensor:
    """The document of each window: counts [B] -> int64 [W]."""
    documents = torch.arange(len(counts), device=counts.device)
    return documents.repeat_interleave(counts, output_size=num_windows)  # given the size, nothing waits for the GPU


def labels_of_windows(
    labels: torch.Tensor, counts: torch.Tensor | None, num_windows: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The label of each window, [W] or [W, C], and its share of its document, [W]; without `counts` the labels, None.

    Args:
        labels: of the documents, [B] or [B, C].
    """
    if counts is None:
        return labels, None
    documents = documents_of_windows(counts, num_windows)
    return labels[documents], 1.0 / counts[documents]


def pool_windows(logits: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
    """The mean of each document's logits: [W, C] -> [B, C] in fp32; unchanged logits without `counts`."""
    if counts is None:
        return logits
    counts = counts.to(logits.device)
    sums = logits.new_zeros(len(counts), logits.shape[-1], dtype=torch.float32)
    sums.index_add_(0, documents_of_windows(counts, len(logits)), logits.float())
    return sums / counts[:, None]


def in_parts(batch: dict[str, torch.Tensor], size: int) -> Iterator[dict[str, torch.Tensor]]:
    """The windows of a batch, `size` at a time, so that a long document needs no more memory than a short one."""
    for start in range(0, len(batch["input_ids"]), size):
        yield {name: values[start : start + size] for name, values in batch.items()}


def with_padding_row(dataset: Dataset) -> Dataset:
    """The data set and one more row at its end, whose label IGNORED adds nothing to any loss or count.

    Several processes need equal numbers of rows. The library repeats rows from the start of the epoch, which then
    count twice; this row fills the gap and counts nothing.
    """
    from datasets import concatenate_datasets

    row = dataset.select([0])
    label = row["labels"][0]
    ignored = row.remove_columns("labels").add_column(
        "labels", [[IGNORED] * len(label) if isinstance(label, list) else IGNORED], feature=dataset.features["labels"]
    )
    return concatenate_datasets([dataset, ignored.select_columns(dataset.column_names)])
