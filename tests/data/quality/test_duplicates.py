"""Repeats and leaks that `--drop_duplicates` and `--drop_leaked` remove, and those that they keep."""

from __future__ import annotations

import random

import pytest
from corpus import make_rows
from planted import clean, encoded, left_in_train, near_copies, three_splits

from classification.data.quality import drop_repeats
from classification.errors import UsageError


@pytest.fixture
def splits():
    return three_splits()


def test_only_rows_of_train_are_dropped_and_the_first_of_each_is_kept(splits):
    train, validation, test = splits.values()
    train[9]["text"] = train[8]["text"]
    train[9]["label"] = train[8]["label"]
    test[0]["text"], validation[0]["text"], test[2]["text"] = train[0]["text"], train[1]["text"], test[1]["text"]
    everything = {row["id"] for row in train}
    assert everything - set(left_in_train(splits, duplicates=True)) == {"s1-9"}
    assert everything - set(left_in_train(splits, leaked=True)) == {"s1-0", "s1-1"}
    assert everything - set(left_in_train(splits, duplicates=True, leaked=True)) == {"s1-0", "s1-1", "s1-9"}


def test_a_note_names_the_dropped_rows(splits):
    splits["train"][9] |= {key: splits["train"][8][key] for key in ("text", "label")}
    data, _ = encoded(splits)
    findings = []
    drop_repeats(data, findings, duplicates=True, leaked=True)
    assert [(finding.kind, finding.severity, finding.ids) for finding in findings] == [
        ("dropped_rows", "note", ("s1-9",))
    ]
    assert str(findings[0]) == (
        "1 row of train was dropped (repeats, leaks): requested by --drop_duplicates and --drop_leaked."
    )
    assert drop_repeats(data, findings, duplicates=False, leaked=False) is data and len(findings) == 1


def test_a_leak_that_is_all_of_train_is_refused():
    data, _ = encoded({"train": make_rows(64), "validation": make_rows(64)})
    with pytest.raises(UsageError, match="--drop_leaked: all 64 rows of train are also in validation or test"):
        drop_repeats(data, [], duplicates=False, leaked=True)


def test_near_copies_are_dropped_unless_their_classes_differ():
    rows = near_copies(30)
    assert left_in_train({"train": rows}, duplicates=True) == [row["id"] for row in rows[::2]]
    rows = [row | {"label": ("no", "yes")[row["id"].endswith("copy")]} for row in rows]
    random.Random(0).shuffle(rows)
    assert len(left_in_train({"train": rows}, duplicates=True)) == 60


def test_near_copies_with_far_numbers_are_no_repeats():
    rows = [row | {"label": i / 20 + 1.5 * row["id"].endswith("copy")} for i, row in enumerate(near_copies(30))]
    random.Random(0).shuffle(rows)
    assert len(left_in_train({"train": rows}, duplicates=True)) == 60
    rows = [row | {"label": float(row["id"].split("-")[1]) / 10} for row in rows]
    assert len(left_in_train({"train": rows}, duplicates=True)) == 30


def test_one_text_with_two_labels_is_kept(splits):
    train = splits["train"]
    train[1] |= {"text": train[0]["text"], "label": {"no": "yes", "yes": "no"}[train[0]["label"]]}
    train[3] |= {"text": train[2]["text"], "label": train[2]["label"]}
    assert {row["id"] for row in train} - set(left_in_train(splits, duplicates=True)) == {"s1-3"}


def test_short_chinese_texts_that_differ_in_a_character_are_no_repeats():
    pairs = [("我想取消昨天的订单", "我想取消昨天的订单吗"), ("怎么修改收货地址", "怎么修改收货地址啊")]
    rows = clean(60, 1) + [{"id": text, "text": text, "label": "no"} for pair in pairs for text in pair]
    assert len(left_in_train({"train": rows}, duplicates=True)) == 64
