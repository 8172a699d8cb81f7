"""Our own splits leave every class a row in train, in every strategy, and say which classes are not validated."""

from __future__ import annotations

import random

import pytest
from corpus import make_rows, splits_of

from classification.data.columns import Columns, standardise_columns
from classification.data.label_columns import encode_labels
from classification.data.splitting import SplitPlan, add_validation
from classification.data.tasks import infer_task
from classification.errors import UsageError

RARE = [f"rare{i}" for i in range(12)]


def split(rows: list[dict], columns: Columns | None = None, **plan):
    splits, *_ = standardise_columns(splits_of(rows), columns or Columns())
    task = infer_task(splits["train"]["label"])
    divided, _ = add_validation(encode_labels(splits, task), task, SplitPlan(**plan))
    return divided, task


def rows_with(labels: list, **columns) -> list[dict]:
    extra = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    rows = [{"id": str(i), "text": f"text {i}", "label": label} for i, label in enumerate(labels)]
    return [row | more for row, more in zip(rows, extra or [{}] * len(rows), strict=True)]


SINGLE = ["neg", "pos"] * 20 + RARE
MULTI = [["a"], ["b"], ["a", "b"], []] * 10 + [[name] for name in RARE]


@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=["single", "several"])
@pytest.mark.parametrize("strategy", ["stratified", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_a_class_of_one_row_stays_in_train(labels, strategy, seed, caplog):
    caplog.set_level("INFO")
    splits, task = split(rows_with(labels), strategy=strategy, seed=seed, fraction=0.3)
    in_train, in_validation = (task.counts(splits[name]["label"]) for name in ("train", "validation"))
    assert all(in_train.values()) and not any(in_validation[name] for name in RARE)
    assert len(splits["train"]) + len(splits["validation"]) == len(labels) and any(in_validation.values())
    words = "12 classes with a single text stay in train and are not in validation: rare0, rare1, rare10"
    assert words in caplog.text


@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=["single", "several"])
def test_folds_train_on_every_class(labels, caplog):
    caplog.set_level("INFO")
    places = []
    for number in range(3):
        splits, task = split(rows_with(labels), fold=(number, 3))
        assert all(task.counts(splits["train"]["label"]).values())
        places += splits["validation"]["position"][:]
    assert sorted(places) == list(range(40))  # every row of a class that can be held out, once
    assert "12 classes with a single text stay in train" in caplog.text


def test_a_fold_that_would_validate_on_one_class_is_refused():
    """The rare classes stay in train, which leaves one class to validate on."""
    with pytest.raises(UsageError, match="--folds 2: fold 1 validates on one class only .'a'."):
        split(rows_with(["a"] * 10 + ["b", "c"]), fold=(1, 2))


def test_a_class_of_one_group_stays_in_train(caplog):
    caplog.set_level("INFO")
    labels = ["neg", "pos"] * 20 + ["only"] * 4
    users = [f"u{i // 4}" for i in range(40)] + ["u10"] * 4
    for strategy in ("stratified", "random"):
        for seed in range(4):
            splits, task = split(
                rows_with(labels, user=users), Columns(group="user"), strategy=strategy, seed=seed, fraction=0.5
            )
            assert task.counts(splits["train"]["label"])["only"] == 4
    assert "1 class with a single group stays in train and is not in validation: only" in caplog.text


def test_a_class_of_two_rows_is_never_taken_whole():
    for seed in range(5):
        for strategy in ("stratified", "random"):
            splits, task = split(rows_with(["a", "b"] * 10 + ["c"] * 2), strategy=strategy, seed=seed, fraction=0.8)
            assert all(task.counts(splits["train"]["label"]).values())


def test_repeats_of_one_text_count_as_one(caplog):
    rows = [*rows_with(["neg", "pos"] * 20), *({"id": f"x{i}", "text": "same", "label": "odd"} for i in range(6))]
    for seed in range(4):
        splits, task = split(rows, seed=seed, strategy="random", fraction=0.5)
        assert task.counts(splits["train"]["label"])["odd"] == 6


def test_many_classes_of_one_row_run_with_a_small_validation_set(caplog):
    caplog.set_level("INFO")
    splits, _ = split(rows_with(["neg", "pos"] * 10 + [f"rare{i}" for i in range(58)]))
    assert len(splits["validation"]) == 4 and len(splits["train"]) == 74
    assert "58 classes" in caplog.text and "it has 4 rows instead of 16" in caplog.text
    assert "too large" not in caplog.text


def test_classes_that_all_have_one_row_are_refused_with_the_reason():
    with pytest.raises(
        UsageError, match="every class has one text only. Check --label_column_name .is it an id or a text"
    ):
        split(rows_with([f"c{i}" for i in range(20)]))


def test_texts_with_many_copies_are_not_called_groups(caplog):
    rows = [row | {"text": f"text {i // 20}"} for i, row in enumerate(make_rows(200))]
    split(rows, fraction=0.05)
    assert "the sets of rows with one text are too large for every class" in caplog.text


@pytest.mark.parametrize("strategy", ["stratified", "random"])
@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=["single", "several"])
def test_the_split_of_rare_classes_does_not_depend_on_row_order(labels, strategy):
    rows = rows_with(labels)
    shuffled = random.Random(0).sample(rows, len(rows))
    first, second = (
        set(split(order, strategy=strategy, fraction=0.3)[0]["validation"]["id"]) for order in (rows, shuffled)
    )
    assert first == second


def test_numbers_are_split_as_before(caplog):
    caplog.set_level("INFO")
    splits, _ = split(rows_with([i / 2 for i in range(40)]), fraction=0.25)
    assert len(splits["validation"]) == 10 and "stay in train" not in caplog.text
