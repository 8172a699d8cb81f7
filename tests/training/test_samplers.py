"""The order of training: every row once per epoch, similar lengths together, classes drawn evenly."""

from __future__ import annotations

import numpy as np
import pytest
from corpus import splits_of
from datasets import Dataset

from classification.training.samplers import TrainSampler, class_draw_weights, describe_balanced, token_lengths

IDS = np.array([0] * 70 + [1] * 25 + [2] * 5)
draw = np.random.default_rng(0)


def orders(sampler: TrainSampler, epochs: int) -> list[list[int]]:
    """The order of each of the first epochs."""
    result = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        result.append(list(sampler))
    return result


@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_is_visited_once_per_epoch(grouped):
    lengths = np.arange(103) % 17
    sampler = TrainSampler(103, batch_size=8, seed=3, multiple_of=8, lengths=lengths if grouped else None)
    first, second = orders(sampler, 2)
    for order in (first, second):
        assert len(order) == len(sampler) == 104
        assert sorted(order[:103]) == list(range(103)) and order[103] == 103  # 103 is the padding row
    assert first != second


def test_grouping_by_length_saves_padding():
    lengths = np.random.default_rng(0).integers(5, 200, 9600)

    def padded(sampler):
        order = np.array(list(sampler))
        return sum(len(batch) * lengths[batch].max() for batch in np.split(order, 600))

    plain = padded(TrainSampler(9600, batch_size=16, seed=1))
    grouped = padded(TrainSampler(9600, batch_size=16, seed=1, lengths=lengths))
    assert grouped < 1.1 * lengths.sum() < plain


def test_consecutive_seeds_share_no_order():
    """The library's seed + epoch makes epoch 1 of seed 42 the epoch 0 of seed 43."""
    first, second = (TrainSampler(50, batch_size=5, seed=seed) for seed in (42, 43))
    assert orders(first, 2)[1] != orders(second, 1)[0]


def test_the_longest_batch_comes_first():
    """Of those that are full: a lack of memory shows in the first step of every epoch."""
    lengths = np.random.default_rng(1).integers(1, 500, 1000)
    epochs = orders(TrainSampler(1000, batch_size=8, seed=3, lengths=lengths), 3)
    assert all(lengths.max() in lengths[order[:8]] for order in epochs)
    assert epochs[0][8:16] != epochs[1][8:16] != epochs[2][8:16]


@pytest.mark.parametrize(("batches", "alike"), [(18, 1), (48, 4), (600, 50), (900, 50)])
def test_the_fewer_the_batches_the_less_alike_are_their_rows(batches, alike):
    """A chunk of k batches is sorted: a batch spans about 1/k of all lengths. No two epochs share a batch."""
    lengths = np.arange(16 * batches) + 5
    sampler = TrainSampler(len(lengths), batch_size=16, seed=1, lengths=lengths)
    first, second = (np.split(np.array(order), batches) for order in orders(sampler, 2))
    spans = [np.ptp(lengths[batch]) / len(lengths) for batch in first]
    assert np.median(spans) == pytest.approx(1 / alike, rel=0.15)
    assert not set(map(frozenset, first)) & set(map(frozenset, second))


def test_the_balanced_sampler_draws_every_class_equally_often():
    sampler = TrainSampler(100, batch_size=8, seed=3, weights=class_draw_weights(IDS))
    epochs = orders(sampler, 60)
    drawn = sum(epochs, [])
    shares = np.bincount(IDS[drawn]) / len(drawn)
    assert len(drawn) == 6000 and shares == pytest.approx([1 / 3] * 3, abs=0.025)
    sampler.set_epoch(7)
    assert list(sampler) == epochs[7]


def test_balanced_draws_can_be_grouped_by_length_and_filled_up():
    lengths, weights = draw.integers(3, 60, 2000), class_draw_weights(np.tile(IDS, 20))
    sampler = TrainSampler(2000, batch_size=8, seed=3, weights=weights, lengths=lengths, multiple_of=48)
    order = np.array(list(sampler))
    assert len(order) == 2016 and (order[2000:] == 2000).all()
    spread = [np.ptp(lengths[order[i : i + 8]]) for i in range(0, 2000, 8)]
    assert np.mean(spread) < np.mean([np.ptp(draw.permutation(lengths)[:8]) for _ in range(50)]) / 3


def test_the_balanced_sampler_beside_class_weights_is_warned_of():
    (line,) = describe_balanced(weighted=False)
    assert line.topic == "sampler" and "every class equally often" in line.text
    assert "use one of them" in describe_balanced(weighted=True)[1].text


# ------------------------------------------------------------------------------------------------------------- lengths


def test_lengths_are_read_in_the_order_of_the_rows():
    rows = Dataset.from_dict({"input_ids": [[1], [1, 2, 3], [1, 2]]})
    assert token_lengths(rows).tolist() == [1, 3, 2]
    assert token_lengths(rows.select([2, 0])).tolist() == [2, 1]


def test_lengths_of_windows_are_of_whole_documents():
    windows = splits_of([{"input_ids": [[1] * 5]}, {"input_ids": [[1] * 12] * 3}, {"input_ids": [[1] * 12] * 2}])
    assert token_lengths(windows["train"]).tolist() == [5, 36, 24]
    assert token_lengths(windows["train"].select([2, 0])).tolist() == [24, 5]
