"""Which tokens are masked: the rule of BERT, decided by seed, epoch and block alone."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_tokenizer

from classification.data.windows import IGNORED
from classification.training.masked_tokens import BlockNames, MaskedBlocks, Masking, collate

T, V = 64, 1000
SPECIAL = np.arange(V) < 5  # 2 begins a block, 3 ends it, 4 is the mask
BLOCKS = np.concatenate(
    [np.full((200, 1), 2), np.random.default_rng(0).integers(5, V, (200, T - 2)), np.full((200, 1), 3)], axis=1
).astype(np.int32)


@pytest.fixture
def blocks():
    return MaskedBlocks(BLOCKS, Masking(0.15, 4, SPECIAL), 7)


def test_of_the_chosen_tokens_80_percent_are_masked_10_percent_are_others_and_10_percent_stay(blocks):
    kinds = np.zeros(3)
    for number in range(200):
        row = blocks[number]
        chosen = row["labels"] != IGNORED
        now, before = row["input_ids"][row["positions"][chosen]], row["labels"][chosen]
        kinds += [(now == 4).sum(), ((now != 4) & (now != before)).sum(), (now == before).sum()]
    assert kinds.sum() == 200 * round(0.15 * (T - 2))
    assert np.abs(kinds / kinds.sum() - [0.8, 0.1, 0.1]).max() < 0.03


def test_only_the_chosen_tokens_change_and_their_labels_are_the_tokens_before(blocks):
    for number in range(50):
        row, ids = blocks[number], BLOCKS[number]
        chosen = row["positions"][row["labels"] != IGNORED]
        assert len(set(chosen)) == len(chosen)
        assert (row["labels"][: len(chosen)] == ids[chosen]).all()
        others = np.delete(np.arange(T), chosen)
        assert (row["input_ids"][others] == ids[others]).all()


def test_special_tokens_are_never_chosen_and_never_put_in(blocks):
    for number in range(200):
        row = blocks[number]
        assert not np.isin(row["labels"], np.flatnonzero(SPECIAL)).any()
        assert row["input_ids"][0] == 2 and row["input_ids"][-1] == 3
        assert not np.isin(row["input_ids"][1:-1], [0, 1, 2, 3]).any()


def test_tokens_that_the_tokenizer_does_not_know_are_never_put_in():
    masking = Masking.from_tokenizer(make_tokenizer(mask_token="[MASK]"), 0.15, 64)
    known = make_tokenizer(mask_token="[MASK]").get_vocab()
    assert set(masking.ordinary) == {token for word, token in known.items() if not word.startswith("[")}


def test_each_epoch_has_masks_of_its_own_and_each_block_too(blocks):
    first, again, later = blocks[3], blocks[3], blocks[3 + 201]
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["positions"] != later["positions"]).any() and (first["positions"] != blocks[4]["positions"]).any()
    for row in (first, later):  # of the same block
        chosen = row["labels"] != IGNORED
        assert (row["labels"][chosen] == BLOCKS[3][row["positions"][chosen]]).all()


def test_masks_of_validation_are_not_those_of_training():
    trained = MaskedBlocks(BLOCKS, Masking(0.15, 4, SPECIAL), 7)
    fixed = MaskedBlocks(BLOCKS, Masking(0.15, 4, SPECIAL), 7, has_fixed_masks=True)
    assert (trained[0]["positions"] != fixed[0]["positions"]).any()


def test_the_row_after_the_last_counts_nothing(blocks):
    row = blocks[200]
    assert (row["labels"] == IGNORED).all()
    assert (blocks[200 + 2 * 201]["labels"] == IGNORED).all()


def test_a_block_of_special_tokens_alone_predicts_nothing():
    row = MaskedBlocks(np.full((1, 8), 3, dtype=np.int32), Masking(0.15, 4, SPECIAL), 7)[0]
    assert (row["labels"] == IGNORED).all() and (row["input_ids"] == 3).all()


def test_a_block_has_at_least_one_token_to_predict():
    short = np.array([[2, 7, 8, 3]], dtype=np.int32)
    assert (MaskedBlocks(short, Masking(0.01, 4, SPECIAL), 7)[0]["labels"] != IGNORED).sum() == 1


def test_a_batch_has_no_padding(blocks):
    batch = collate([blocks[0], blocks[1], blocks[200]])
    assert {name: tuple(values.shape) for name, values in batch.items()} == {
        "input_ids": (3, T), "positions": (3, 10), "labels": (3, 10),
    }  # fmt: skip


def test_a_block_is_named_by_its_number_in_every_epoch():
    names = BlockNames(200)
    assert [names[5], names[5 + 3 * 201], names[200]] == ["block 5", "block 5", "padding"]
    assert 5 + 1000 * 201 < len(names)
