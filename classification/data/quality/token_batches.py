"""The token ids of a split in batches of rows, so that no list of all tokens is in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from datasets import Dataset

BATCH = 1000  # rows whose token ids are in memory together


def sequence_batches(encoded: Dataset) -> Iterator[tuple[int, pa.ListArray, np.ndarray]]:
    """What the model reads at once: the texts, or their windows.

    Yields:
        The number of the first row; the token ids of each sequence of the batch; and the row of each sequence, counted
        from the first row.
    """
    data = encoded.select_columns(["input_ids"]).with_format("arrow")
    for start, table in zip(range(0, len(encoded), BATCH), data.iter(BATCH), strict=True):
        column = table.column("input_ids").combine_chunks()
        rows = np.arange(len(column))
        if pa.types.is_nested(column.type.value_type):  # windows are one level deeper
            rows, column = np.repeat(rows, lengths(column)), column.flatten()
        yield start, column, rows


def token_ids(encoded: Dataset) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """All tokens of the texts.

    Yields:
        The number of the first row; the ids of all tokens of the batch, int64; and the row of each token, counted from
        the first row.
    """
    for start, sequences, rows in sequence_batches(encoded):
        yield start, flat_ids(sequences), np.repeat(rows, lengths(sequences))


def lengths(column: pa.ListArray) -> np.ndarray:
    """Items of each list of a column."""
    return np.diff(column.offsets.to_numpy())


def flat_ids(sequences: pa.ListArray) -> np.ndarray:
    """The ids of all sequences one after another, int64."""
    return sequences.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
