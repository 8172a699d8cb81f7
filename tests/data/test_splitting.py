"""The validation split and samples: whose rows go where, and which validation sets are refused."""

from __future__ import annotations

import random

import pytest
from corpus import make_rows, splits_of

from classification.data.columns import Columns, standardise_columns
from classification.data.corpus import GIVEN
from classification.data.label_columns import encode_labels
from classification.data.splitting import (
    SplitPlan,
    add_validation,
    check_validation,
    num_validation_rows,
    tail_split,
    time_split,
)
from classification.data.tasks import infer_task
from classification.errors import UsageError

TASK = infer_task(["negative", "positive"])


def split(rows: list[dict], columns: Columns | None = None, **plan):
    """The splits after `add_validation`, and its words for the method."""
    splits, *_ = standardise_columns(splits_of(rows), columns or Columns())
    task = infer_task(splits["train"]["label"])
    return add_validation(encode_labels(splits, task), task, SplitPlan(**plan))


def test_auto_is_five_percent_with_a_minimum():
    assert [num_validation_rows(n, None) for n in (25_000, 4_000, 1_000, 320, 10)] == [1250, 200, 200, 64, 2]
    assert num_validation_rows(100, 0.25) == 25


def test_tail_is_the_last_rows():
    assert tail_split(10, 3) == ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])


def test_a_sorted_file_gets_a_validation_set_of_both_classes(caplog):
    """`train[95%:]` of IMDB has positive reviews only."""
    rows = sorted(make_rows(200), key=lambda row: row["label"])
    splits, method = split(rows)
    assert sorted(splits["validation"]["label"]) == [0] * 20 + [1] * 20 and "stratified by label" in method
    tail, _ = split(rows, fraction=0.05, strategy="tail")
    assert tail["validation"]["label"][:] == [1] * 10
    check_validation(tail["validation"]["label"][:], TASK, "tail", given=False)
    assert "one class only" in caplog.text


@pytest.mark.parametrize(
    ("strategy", "given", "words"),
    [
        ("stratified", True, ["--validation_file", "Leave it out"]),
        ("stratified", False, ["--validation_fraction", "more training rows"]),
        ("random", False, ["--validation_fraction"]),
        ("time", False, ["--validation_strategy time", "older rows"]),
    ],
)
def test_a_validation_set_of_one_class_is_refused(strategy, given, words):
    with pytest.raises(UsageError) as refused:
        check_validation([1, 1, 1], TASK, strategy, given=given)
    assert all(word in str(refused.value) for word in [*words, "one class only ('positive', 3 rows)"])
    check_validation([0, 1], TASK, strategy, given=given)
    check_validation([0.5, 0.5], infer_task([0.5, 1.5]), strategy, given=given)  # numbers have no classes


@pytest.mark.parametrize(
    ("labels", "strategy", "method"),
    [
        (["a", "b"], "stratified", "stratified by label, identical"),
        ([["a"], ["a", "b"]], "stratified", "stratified by labels"),
        ([0.5, 1.5], "stratified", "at random"),
        (["a", "b"], "random", "at random"),
    ],
)
def test_the_method_is_described(labels, strategy, method):
    rows = [row | {"label": labels[i % 2]} for i, row in enumerate(make_rows(40))]
    splits, words = split(rows, strategy=strategy, fraction=0.25)
    assert method in words and abs(len(splits["validation"]) - 10) <= 1


def test_a_given_validation_split_is_kept():
    rows, task = make_rows(20), TASK
    splits = encode_labels(splits_of(rows[:10], validation=rows[10:]), task)
    kept, method = add_validation(splits, task, SplitPlan())
    assert method == GIVEN and kept["validation"]["id"][:] == [row["id"] for row in rows[10:]]


def test_groups_stay_on_one_side_and_the_column_is_gone():
    rows = [row | {"user": f"u{i % 9}"} for i, row in enumerate(make_rows(90))]
    users = {row["id"]: row["user"] for row in rows}
    splits, method = split(rows, Columns(group="user"), fraction=0.2)
    sides = [{users[row_id] for row_id in splits[name]["id"]} for name in ("train", "validation")]
    assert not sides[0] & sides[1] and sides[1] and "groups kept together" in method
    assert splits["train"].column_names == splits["validation"].column_names == ["text", "id", "label"]


def test_rows_that_cannot_be_divided_are_refused():
    rows = [row | {"user": "u"} for row in make_rows(8)]
    with pytest.raises(UsageError, match=r"--validation_group_column: all 8 rows have the same group \('u'\)"):
        split(rows, Columns(group="user"))
    with pytest.raises(UsageError, match="--validation_fraction: no validation set can be split off 6 training rows"):
        split([row | {"text": "same"} for row in make_rows(6)])
    with pytest.raises(UsageError, match="--folds 3: there are only 2 groups or different texts"):
        split([row | {"text": str(i % 2)} for i, row in enumerate(make_rows(8))], fold=(0, 3))


def test_a_fold_knows_the_places_of_its_rows():
    rows = make_rows(20)
    splits, method = split(rows, fold=(1, 4))
    places = splits["validation"]["position"][:]
    assert [rows[place]["id"] for place in places] == splits["validation"]["id"][:] and len(places) == 5
    assert "fold 2 of 4" in method


# ------------------------------------------------------------------------------------------------------------ time


def test_the_newest_rows_become_validation(caplog):
    assert time_split([5.0, 1.0, 4.0, 2.0, 3.0], 2) == ([1, 3, 4], [0, 2])
    assert time_split([1.0, 2.0, 2.0, 0.0], 1) == ([0, 3], [1, 2]) and not caplog.text  # the same time stays together
    assert time_split([1.0, 2.0, 2.0, 2.0], 1) == ([0], [1, 2, 3])
    assert "validation gets 3 rows instead of 1" in caplog.text
    with pytest.raises(UsageError, match="--time_column: all 2 rows have the same time"):
        time_split([1.0, 1.0], 1)


TIMES = {
    "dates": [f"2024-0{1 + i // 16}-{10 + i % 16}" for i in range(64)],
    "numbers": list(range(64)),
    "two times": ["2024-01-01T00:00:00Z"] * 32 + ["2024-06-01T10:00:00+02:00"] * 32,
}


@pytest.mark.parametrize(("kind", "count"), [("dates", 16), ("numbers", 16), ("two times", 32)])
def test_validation_by_time_has_the_newest_rows(kind, count):
    order = random.Random(0).sample(range(64), 64)
    rows = [make_rows(64)[i] | {"date": TIMES[kind][i], "id": str(i)} for i in order]
    splits, method = split(rows, Columns(time="date"), fraction=0.25, strategy="time")
    assert sorted(map(int, splits["validation"]["id"])) == list(range(64 - count, 64))
    assert sorted(map(int, splits["train"]["id"])) == list(range(64 - count))
    assert "newest" in method and splits["train"].column_names == splits["validation"].column_names


@pytest.mark.parametrize(("first", "advised"), [("0", True), ("none", False)])
def test_a_number_for_every_row_may_be_a_regression(first, advised):
    rows = [{"text": f"text {i}", "label": str(7 * i) if i else first} for i in range(12)]
    with pytest.raises(UsageError, match="every class has one text only") as refused:
        split(rows)
    assert ("pass --do_regression" in str(refused.value)) == advised
