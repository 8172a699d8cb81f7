"""Rows in the order of their lengths, in batches with little padding, and results put back in row order."""

from __future__ import annotations

import numpy as np

# N rows.

ALIKE = 0.8  # of the length of the longest row


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Row numbers by descending length, ties in row order, int64 [N]."""
    return np.argsort(-lengths, kind="stable")


def in_row_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undo an order of rows: `values[k]` belongs to row `order[k]`; the result has the value of row i at i."""
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def token_bounded_batches(lengths: np.ndarray, max_tokens: int, multiple_of: int = 1) -> list[list[int]]:
    """Row numbers in batches, the longest rows first, each with as many as fit into `max_tokens` with padding.

    That is 32 long texts, or 500 short ones, for which a batch of 32 would leave the processor idle. From a quarter of
    the tokens on, a batch ends where rows are shorter than 4/5 of its first row, because they would be mostly padding.

    Args:
        lengths: tokens per row, [N].
        max_tokens: a longer row is a batch of its own.
        multiple_of: batches are padded to a multiple of this.
    """
    order = longest_first(lengths)
    descending = lengths[order]
    batches = []
    start = 0
    while start < len(order):
        padded = multiple_of * max(1, -(-int(descending[start]) // multiple_of))  # a text may have no tokens
        fit = max(1, max_tokens // padded)
        similar_rows = np.searchsorted(-descending, -descending[start] * ALIKE, side="right") - start
        stop = start + min(fit, max(int(similar_rows), fit // 4, 1))
        batches.append(order[start:stop].tolist())
        start = stop
    return batches
