"""Training rows without a label: how they are marked, and how they join the labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset, List, Value, concatenate_datasets

from classification.data.windows import IGNORED, TEACHER

# N rows, B rows of a batch, C labels.

UNLABELLED = -101  # unlike IGNORED, the Trainer counts such a row of a batch


def known_labels(labels: torch.Tensor) -> torch.Tensor:
    """The labels of a batch, [B] or [B, C], with IGNORED in rows that have none."""
    return labels.masked_fill(labels == UNLABELLED, IGNORED)


def join_unlabelled(rows: Dataset, unlabelled: Dataset | None) -> Dataset:
    """The encoded rows of train, then those without a label, whose `labels` become UNLABELLED."""
    if unlabelled is None:
        return rows
    label = rows["labels"][0]
    mark: Any = [float(UNLABELLED)] * len(label) if isinstance(label, list) else UNLABELLED
    marked = unlabelled.add_column("labels", [mark] * len(unlabelled), feature=rows.features["labels"])
    return concatenate_datasets([rows, marked.select_columns(rows.column_names)])


def with_teacher_logits(rows: Dataset, parts: Sequence[np.ndarray]) -> Dataset:
    """The rows with the logits of a teacher as a column.

    Args:
        parts: float32 [N, C] in all, in the order of the rows. Rows after them are padding and get zeros.
    """
    logits = np.concatenate(parts)
    padding = np.zeros((len(rows) - len(logits), logits.shape[1]), dtype=np.float32)
    values = list(np.concatenate([logits, padding]))
    return rows.add_column(TEACHER, values, feature=List(Value("float32")))
