"""Folds and multi-label splits: every row once, shares kept, equal keys together."""

from __future__ import annotations

import random

import numpy as np
import pytest

from classification.data.folds import check_folds, fold_splits, multi_label_split
from classification.data.tasks import infer_task
from classification.errors import UsageError

STRATA = {
    "classes": np.array([0, 0, 0, 1] * 30),
    "several labels": np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 30),
    "numbers": np.zeros(120, dtype=int),
}


@pytest.mark.parametrize("kind", STRATA)
def test_folds_divide_the_rows_and_keep_equal_keys_together(kind):
    strata, keys = STRATA[kind], [f"film {i // 2}" for i in range(120)]
    inside = []
    for train, validation in fold_splits(keys, strata, 5, seed=1):
        assert sorted(train + validation) == list(range(120))
        assert not {keys[row] for row in train} & {keys[row] for row in validation}
        shares = strata[validation].mean(axis=0) - strata.mean(axis=0)
        assert np.abs(shares).max() < 0.1
        inside += validation
    assert sorted(inside) == list(range(120))


@pytest.mark.parametrize("kind", STRATA)
def test_folds_do_not_depend_on_row_order(kind):
    keys = [f"text {i}" for i in range(120)]
    order = random.Random(1).sample(range(120), 120)
    _, first = fold_splits(keys, STRATA[kind], 5, seed=1)[2]
    _, second = fold_splits([keys[i] for i in order], STRATA[kind][order], 5, seed=1)[2]
    assert {keys[row] for row in first} == {keys[order[row]] for row in second}


def test_more_folds_than_rows_of_every_class_are_refused():
    with pytest.raises(UsageError, match="--folds 4: more folds than rows in the largest class \\(3\\)"):
        fold_splits(list("abcde"), np.array([0, 0, 0, 1, 1]), 4, seed=1)


def test_a_fold_of_one_class_is_refused_before_training():
    task, label_ids = infer_task(["a", "b"]), [0, 0, 1, 0]
    check_folds([([0, 2], [1, 2])], label_ids, task)
    with pytest.raises(UsageError, match=r"--folds 2: fold 2 validates on one class only \('a'\)"):
        check_folds([([0, 2], [1, 2]), ([2, 3], [0, 1])], label_ids, task)
    with pytest.raises(UsageError, match=r"--folds 1: fold 1 trains on one class only \('a'\)"):
        check_folds([([0, 1], [2, 3])], label_ids, task)
    check_folds([([0], [1])], [0.5, 0.5], infer_task([0.5, 1.5]))  # numbers have no classes


def test_labels_and_pairs_of_labels_keep_their_share():
    draw = np.random.default_rng(0)
    labels = (draw.random((300, 3)) < [0.5, 0.2, 0.05]).astype(float)
    keys = [f"text {i // 2 if i < 60 else i}" for i in range(300)]
    train, validation = multi_label_split(keys, labels, 60, seed=42)
    assert sorted(train + validation) == list(range(300)) and abs(len(validation) - 60) <= 3
    assert not {keys[row] for row in train} & {keys[row] for row in validation}
    assert np.abs(labels[validation].sum(axis=0) - labels.sum(axis=0) / 5).max() <= 2
    order = draw.permutation(300)
    _, again = multi_label_split([keys[i] for i in order], labels[order], 60, seed=42)
    assert {keys[row] for row in validation} == {keys[order[row]] for row in again}
