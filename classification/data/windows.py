"""Documents in windows: one row a document everywhere; only a batch and the model's own call see the windows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from transformers import DataCollatorWithPadding

# B documents of a batch, W windows of them all, C labels.

COUNTS = "window_counts"  # [B], the windows of each document


class WindowCollator:
    """Lays the windows of a batch of documents under each other and pads them: `input_ids` [W, T], `labels` [B] or
    [B, C], `window_counts` [B].

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
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch


def documents_of_windows(counts: torch.Tensor, num_windows: int) -> torch.Tensor:
    """The document of each window: counts [B] -> int64 [W]."""
    documents = torch.arange(len(counts), device=counts.device)
    return documents.repeat_interleave(counts, output_size=num_windows)  # told the size, no GPU has to be waited for


def pool_windows(logits: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
    """The mean of each document's logits: [W, C] -> [B, C] in fp32; without `counts` the logits as they are."""
    if counts is None:
        return logits
    counts = counts.to(logits.device)
    sums = logits.new_zeros(len(counts), logits.shape[-1], dtype=torch.float32)
    sums.index_add_(0, documents_of_windows(counts, len(logits)), logits.float())
    return sums / counts[:, None]


def in_parts(batch: dict[str, torch.Tensor], size: int) -> Iterator[dict[str, torch.Tensor]]:
    """The windows of a batch, `size` at a time: a long document needs no more memory than short ones."""
    for start in range(0, len(batch["input_ids"]), size):
        yield {name: values[start : start + size] for name, values in batch.items()}
