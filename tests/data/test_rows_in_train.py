"""A row of test is in train if train has its text, byte for byte."""

from __future__ import annotations

from datasets import Dataset, DatasetDict

from classification.data.rows_in_train import rows_in_train


def splits_of(**texts) -> DatasetDict:
    return DatasetDict({name: Dataset.from_dict({"text": rows}) for name, rows in texts.items()})


def test_equal_texts_are_in_train():
    found = rows_in_train(splits_of(train=["a", "b", "b"], test=["b", "B", "c", "b "]), "test")
    assert found is not None and found.tolist() == [True, False, False, False]


def test_a_pair_is_in_train_with_both_texts():
    train, test = {"text": ["a", "a"], "text_pair": ["x", "y"]}, {"text": ["a", "b"], "text_pair": ["y", "x"]}
    found = rows_in_train(DatasetDict(train=Dataset.from_dict(train), test=Dataset.from_dict(test)), "test")
    assert found is not None and found.tolist() == [True, False]


def test_without_train_it_is_unknown():
    assert rows_in_train(splits_of(test=["a"]), "test") is None
    assert rows_in_train(splits_of(train=["a"]), "train") is None
