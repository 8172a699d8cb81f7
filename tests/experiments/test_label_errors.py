"""Labels that were flipped on purpose are the first ones of the list."""

from __future__ import annotations

import csv
import random
from types import SimpleNamespace

import numpy as np
import pytest
from corpus import make_rows, splits_of

from classification.data.bad_rows import BadRows
from classification.data.corpus import text_keys
from classification.data.label_columns import encode_labels
from classification.data.tasks import infer_task
from classification.experiments.bag_of_words import BagOfWords
from classification.experiments.label_errors import (
    find_label_errors,
    out_of_fold_logits,
    report_label_errors,
    write_label_errors,
)

OTHER = {"negative": "positive", "positive": "negative"}


def encoded(rows: list[dict], **more):
    splits = splits_of(rows, **more)
    task = infer_task(splits["train"]["label"])
    return encode_labels(splits, task, BadRows("error", [])), task


def test_flipped_labels_are_listed_first():
    rows = make_rows(300, seed=1)
    flipped = random.Random(0).sample(range(300), 12)
    for row in flipped:
        rows[row]["label"] = OTHER[rows[row]["label"]]
    test = make_rows(60, seed=2)
    test[7]["label"] = OTHER[test[7]["label"]]
    splits, task = encoded(rows, test=test)
    errors = find_label_errors(splits, task, seed=0)
    assert {error.row for error in errors[:12]} == set(flipped)
    assert [error.row for error in errors if error.split == "test"][0] == 7
    scores = [error.score for error in errors if error.split == "train"]
    assert scores == sorted(scores, reverse=True) and min(scores) > 0
    assert all(error.likely == OTHER[rows[error.row]["label"]] for error in errors[:12])


def test_a_row_is_predicted_without_itself_and_without_its_repeats():
    """Each text has its own words and occurs twice with one label: only the other copy could reveal it."""
    rows = [
        {"id": str(i), "text": f"one{i // 2} two{i // 2} three{i // 2} the film", "label": ("no", "yes")[i // 2 % 2]}
        for i in range(80)
    ]
    splits, task = encoded(rows)
    keys, ids = text_keys(splits["train"]), np.array(splits["train"]["label"][:])
    logits = out_of_fold_logits(BagOfWords(splits), keys, ids, task, seed=0, quiet=True)
    assert np.ptp(logits[:, 1] - logits[:, 0]) < 0.5


def test_errors_among_several_labels_and_numbers_are_found():
    rows = make_rows(200, seed=1)
    several = [row | {"label": [row["label"], "any"] if i % 3 else [row["label"]]} for i, row in enumerate(rows)]
    several[10]["label"] = ["any"]
    splits, task = encoded(several)
    first = [error for error in find_label_errors(splits, task, seed=0) if error.row == 10]
    assert first and "negative" in first[0].likely
    draw = random.Random(0)
    numbers = [row | {"label": 8.5 * (row["label"] == "positive") + draw.random()} for row in rows]
    numbers[21]["label"] = 0.2
    splits, task = encoded(numbers)
    errors = find_label_errors(splits, task, seed=0)
    assert errors[0].row == 21 and float(errors[0].likely) > 4


def test_two_rows_of_a_class_are_enough():
    rows = make_rows(12, seed=1)
    rows[0]["label"] = rows[2]["label"] = "rare"
    splits, task = encoded(rows)
    assert all(error.split == "train" for error in find_label_errors(splits, task, seed=0))


def test_thresholds_that_were_tuned_for_another_model_are_not_used():
    rows = [
        row | {"label": [row["label"]] if i % 3 else [row["label"], "any"]}
        for i, row in enumerate(make_rows(90, seed=1))
    ]
    splits, task = encoded(rows)
    assert find_label_errors(splits, task.with_thresholds(0.99), seed=0) == find_label_errors(splits, task, seed=0)


def test_rows_without_a_label_are_not_listed():
    splits, task = encoded(make_rows(60, seed=1), test=make_rows(10, seed=2))
    feature = splits["test"].features["label"]
    splits["test"] = splits["test"].remove_columns("label").add_column("label", [None] * 10, feature=feature)
    assert all(error.split == "train" for error in find_label_errors(splits, task, seed=0))


def test_ranks_start_anew_in_each_split(tmp_path):
    rows, test = make_rows(120, seed=1), make_rows(60, seed=2)
    for row in (rows[3], rows[5], test[7]):
        row["label"] = OTHER[row["label"]]
    splits, task = encoded(rows, test=test)
    errors = find_label_errors(splits, task, seed=0)
    write_label_errors(tmp_path / "new" / "list.csv", errors, splits, task)
    with (tmp_path / "new" / "list.csv").open(encoding="utf-8", newline="") as handle:
        listed = list(csv.DictReader(handle))
    assert len(listed) == len(errors)
    for split, ids in (("train", {"r1-3", "r1-5"}), ("test", {"r2-7"})):
        part = [row for row in listed if row["split"] == split]
        assert [int(row["rank"]) for row in part] == list(range(1, len(part) + 1))
        assert {row["id"] for row in part[: len(ids)]} == ids


@pytest.mark.parametrize(
    ("texts", "labels", "reason"),
    [
        (["one text"] * 8, ["no", "yes"] * 4, "train needs two different texts"),
        (["one film", "two films", "three films"], ["a", "b", "c"], "two rows of some class"),
        (["?!", "...", "!!", "??"], ["no", "yes"] * 2, "no text of train has a word"),
    ],
    ids=["equal texts", "classes of one row", "no words"],
)
def test_where_nothing_can_be_searched_a_line_gives_the_reason(texts, labels, reason, tmp_path):
    """A finished training does not end with an error, and no list of an earlier run remains."""
    splits, task = encoded([{"id": str(i), "text": text, "label": label}
                            for i, (text, label) in enumerate(zip(texts, labels, strict=True))])  # fmt: skip
    (tmp_path / "suspect_labels.csv").write_text("rank\n1\n")
    options = SimpleNamespace(output_dir=tmp_path, seed=0, is_quiet=True)
    (line,) = report_label_errors(options, splits, task)
    assert line.text.startswith("not searched for errors: ") and reason in line.text
    assert not (tmp_path / "suspect_labels.csv").exists()
