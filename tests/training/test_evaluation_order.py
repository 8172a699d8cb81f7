"""The order of an evaluation: longest rows first, batches bounded by tokens, results in row order."""

from __future__ import annotations

import numpy as np
import pytest
from accelerate import Accelerator
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from classification.data.length_order import in_row_order, longest_first
from classification.training.evaluation_order import FixedOrderSampler, TokenBoundedBatches, order_of


def test_row_order_is_restored():
    lengths = np.array([3, 9, 5, 9])
    order = longest_first(lengths)
    assert order.tolist() == [1, 3, 2, 0]
    assert in_row_order(lengths[order], order).tolist() == lengths.tolist()


@pytest.mark.parametrize("max_tokens", [1, 40, 256, 4096])
def test_batches_of_evaluation_are_bounded_by_their_padded_tokens(max_tokens):
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = list(TokenBoundedBatches(lengths, max_tokens))
    order = [row for batch in batches for row in batch]
    assert sorted(order) == list(range(500)) and (np.diff(lengths[order]) <= 0).all()
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= max_tokens for batch in batches)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.2 * lengths.sum() and len(batches) == len(TokenBoundedBatches(lengths, max_tokens))


def test_the_bound_counts_what_the_collator_pads_to():
    """In half precision rows of 9 tokens are padded to 16."""
    assert max(len(batch) for batch in TokenBoundedBatches(np.full(2000, 9), 8192, multiple_of=8)) == 8192 // 16


def test_short_texts_fill_a_batch_of_evaluation():
    assert [len(batch) for batch in TokenBoundedBatches(np.full(1000, 8), 8192)] == [1000]
    assert [len(batch) for batch in TokenBoundedBatches(np.full(64, 256), 8192)] == [32, 32]


@pytest.mark.parametrize("prepared", [False, True])
def test_the_order_comes_from_the_sampler_inside_the_loader(prepared):
    lengths = np.array([1, 3, 2])
    fixed, bounded = FixedOrderSampler(lengths), TokenBoundedBatches(lengths, 4)
    loaders = [
        DataLoader(lengths, sampler=fixed, batch_size=2),
        DataLoader(lengths, batch_sampler=BatchSampler(fixed, 2, drop_last=False)),
        DataLoader(lengths, batch_sampler=bounded),
    ]
    for loader in loaders:
        loader = Accelerator(cpu=True).prepare(loader) if prepared else loader
        assert order_of(loader).tolist() == [1, 2, 0]


def test_an_order_that_is_not_ours_is_an_error():
    """Without it, rows would get the predictions of others."""
    with pytest.raises(AttributeError):
        order_of(DataLoader([1, 2, 3], sampler=RandomSampler([1, 2, 3])))
