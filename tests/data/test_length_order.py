"""Rows by length: nothing is lost, batches are bounded and alike, and results come back in row order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from classification.data.length_order import ALIKE, in_row_order, longest_first, token_bounded_batches


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 2000), st.sampled_from([1, 8]))
def test_every_row_is_in_one_batch_that_is_no_larger_than_allowed(lengths, max_tokens, multiple):
    values = np.array(lengths, dtype=np.int64)
    batches = token_bounded_batches(values, max_tokens, multiple)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = -(-max(1, values[batch].max()) // multiple) * multiple
        assert len(batch) == 1 or padded * len(batch) <= max_tokens


def test_a_batch_ends_where_rows_are_much_shorter():
    batches = token_bounded_batches(np.array([100] * 30 + [10] * 300), 10_000)
    assert [len(batch) for batch in batches[:1]] == [30] and ALIKE < 1


def test_results_come_back_in_row_order():
    lengths = np.array([3, 9, 5, 9])
    order = longest_first(lengths)
    assert in_row_order(lengths[order], order).tolist() == lengths.tolist()
