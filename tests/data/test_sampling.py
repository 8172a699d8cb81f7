"""Samples are stratified, keep a row of every class where they can, and say what they cannot keep."""

from __future__ import annotations

import random

import pytest
from corpus import make_rows, splits_of
from datasets import Dataset, DatasetDict

from classification.data.label_columns import encode_labels
from classification.data.splitting import take_samples
from classification.data.tasks import infer_task


def encoded(labels: list) -> DatasetDict:
    """A train split whose labels are encoded."""
    rows = DatasetDict(train=Dataset.from_dict({"text": [f"text {i}" for i in range(len(labels))], "label": labels}))
    rows["train"] = rows["train"].add_column("id", [str(i) for i in range(len(labels))])
    return encode_labels(rows, infer_task(labels))


def draw(labels: list, limit: int, seed: int = 1) -> list:
    return take_samples(encoded(labels), {"train": limit}, seed)["train"]["label"][:]


def test_samples_are_drawn_from_all_classes():
    rows = sorted(make_rows(100), key=lambda row: row["label"])
    samples = take_samples(encode_labels(splits_of(rows), infer_task(["negative", "positive"])), {"train": 10}, seed=42)
    assert samples["train"]["label"][:] == [0] * 5 + [1] * 5


def test_numbers_and_unlabelled_rows_are_sampled_at_random(caplog):
    caplog.set_level("INFO")
    numbers = [row | {"label": i / 2} for i, row in enumerate(make_rows(40))]
    splits = splits_of(numbers, test=[{"id": row["id"], "text": row["text"]} for row in numbers])
    samples = take_samples(splits, {"train": 7, "test": 9, "validation": 3}, seed=1)
    assert (len(samples["train"]), len(samples["test"])) == (7, 9)
    assert "--max_train_samples 7: drawn at random, because most rows of train have labels of their own" in caplog.text
    assert take_samples(splits, {"train": None, "test": 100}, seed=1)["test"]["id"][:] == splits["test"]["id"][:]


@pytest.mark.parametrize("seed", range(4))
def test_many_classes_are_still_drawn_by_their_share(seed, caplog):
    """58 classes of one row each, and two of 16: more classes than half of the rows."""
    caplog.set_level("INFO")
    labels = ["a"] * 16 + ["b"] * 16 + [f"rare{i}" for i in range(58)]
    drawn = draw(labels, 75, seed)
    assert len(set(drawn)) == 60 and len(drawn) == 75 and abs(drawn.count(0) - drawn.count(1)) <= 1
    assert not caplog.text


@pytest.mark.parametrize("seed", range(4))
def test_a_rare_class_keeps_a_row(seed):
    labels = ["a"] * 300 + ["b"] * 3
    assert sorted(set(draw(labels, 10, seed))) == [0, 1] and len(draw(labels, 10, seed)) == 10


@pytest.mark.parametrize("seed", range(4))
def test_a_rare_label_of_several_keeps_a_row(seed):
    labels = [["a"]] * 150 + [["a", "b"]] * 150 + [["b", "c"]] + [[]] * 20 + [["d"]]
    drawn = draw(labels, 12, seed)
    assert len(drawn) == 12 and all(map(sum, zip(*drawn, strict=True)))


def test_classes_that_cannot_be_kept_are_counted(caplog):
    drawn = draw([f"c{i}" for i in range(40)] * 2, 10)
    assert len(drawn) == 10
    assert "--max_train_samples 10: 30 of the 40 labels of train have no row in the draw. Raise it to 40" in caplog.text


def test_a_draw_depends_on_the_rows_and_not_on_their_order():
    labels = ["a"] * 60 + ["b"] * 20 + [f"rare{i}" for i in range(10)]
    rows = [{"id": str(i), "text": f"text {i}", "label": label} for i, label in enumerate(labels)]
    shuffled = random.Random(0).sample(rows, len(rows))
    ids = [
        set(take_samples(encode_labels(splits_of(order), infer_task(labels)), {"train": 30}, 3)["train"]["id"])
        for order in (rows, shuffled)
    ]
    assert ids[0] == ids[1]
