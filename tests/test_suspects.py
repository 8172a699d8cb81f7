"""Wrong labels are found: planted ones stand first in the list."""

from __future__ import annotations

import csv
import random

import numpy as np
import pytest
from conftest import BAD, GOOD, make_rows, splits_of, write_csv

from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.splitting import text_keys
from classification.errors import UsageError
from classification.experiments.bag_of_words import Features
from classification.experiments.label_errors import find_suspects, out_of_fold_logits
from run_classification import main

OTHER = {"negative": "positive", "positive": "negative"}


def encoded(rows: list[dict], **more):
    splits = splits_of(rows, **more)
    labels = LabelSpace.from_train(splits["train"]["label"])
    return encode_labels(splits, labels), labels


def test_flipped_labels_are_the_suspects():
    rows = make_rows(300, seed=1)
    flipped = random.Random(0).sample(range(300), 12)
    for row in flipped:
        rows[row]["label"] = OTHER[rows[row]["label"]]
    test = make_rows(60, seed=2)
    test[7]["label"] = OTHER[test[7]["label"]]
    splits, labels = encoded(rows, test=test)
    suspects = find_suspects(splits, labels, seed=0)
    assert {suspect.row for suspect in suspects[:12]} == set(flipped)
    assert [suspect.row for suspect in suspects if suspect.split == "test"][0] == 7
    scores = [suspect.score for suspect in suspects if suspect.split == "train"]
    assert scores == sorted(scores, reverse=True) and min(scores) > 0
    assert all(suspect.likely == OTHER[rows[suspect.row]["label"]] for suspect in suspects[:12])


def test_a_row_is_predicted_without_itself_and_without_its_repeats():
    """Texts of words of their own, each standing twice with one label: only the other copy could give it away."""
    rows = [
        {"id": str(i), "text": f"one{i // 2} two{i // 2} three{i // 2} the film", "label": ("no", "yes")[i // 2 % 2]}
        for i in range(80)
    ]
    splits, labels = encoded(rows)
    train = splits["train"]
    logits = out_of_fold_logits(
        Features(splits), text_keys(train), np.array(train["label"][:]), labels, seed=0, quiet=True
    )
    assert np.ptp(logits[:, 1] - logits[:, 0]) < 0.5


def test_several_labels_and_numbers_have_suspects_too():
    rows = make_rows(200, seed=1)
    several = [row | {"label": [row["label"], "any"] if i % 3 else [row["label"]]} for i, row in enumerate(rows)]
    several[10]["label"] = ["any"]
    splits, labels = encoded(several)
    first = [suspect for suspect in find_suspects(splits, labels, seed=0) if suspect.row == 10]
    assert first and "negative" in first[0].likely
    draw = random.Random(0)
    numbers = [row | {"label": 8.5 * (row["label"] == "positive") + draw.random()} for row in rows]
    numbers[21]["label"] = 0.2
    splits, labels = encoded(numbers)
    suspects = find_suspects(splits, labels, seed=0)
    assert suspects[0].row == 21 and float(suspects[0].likely) > 4


def test_two_rows_of_a_class_are_enough():
    rows = make_rows(12, seed=1)
    rows[0]["label"] = rows[2]["label"] = "rare"
    splits, labels = encoded(rows)
    assert all(suspect.split == "train" for suspect in find_suspects(splits, labels, seed=0))


@pytest.mark.parametrize("how", ["check_data", "training"])
def test_the_list_has_texts_given_and_likely_labels(how, command, tmp_path, capsys):
    rows = make_rows(120, seed=1)
    rows[4] |= {"label": "positive", "text": f"{rows[4]['text']}, {BAD[0]} {BAD[1]}"}
    assert not set(rows[4]["text"].split()) & set(GOOD)
    flags = {"train_file": write_csv(tmp_path / "a.csv", rows), "suspect_labels": True}
    main(command(**flags, **({"check_data": True} if how == "check_data" else {})))
    with (tmp_path / "out" / "suspect_labels.csv").open(encoding="utf-8", newline="") as handle:
        listed = list(csv.DictReader(handle))
    assert list(listed[0]) == ["rank", "split", "id", "text", "label", "likely_label", "score"]
    assert listed[0] | {"score": ""} == {
        "rank": "1", "split": "train", "id": "r1-4", "text": rows[4]["text"], "label": "positive",
        "likely_label": "negative", "score": "",
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "ranked in" in out
    assert (tmp_path / "out" / "run.json").exists() == (how == "training")


def test_thresholds_of_another_model_decide_nothing():
    rows = [
        row | {"label": [row["label"]] if i % 3 else [row["label"], "any"]}
        for i, row in enumerate(make_rows(90, seed=1))
    ]
    splits, labels = encoded(rows)
    assert find_suspects(splits, labels.with_thresholds(0.99), seed=0) == find_suspects(splits, labels, seed=0)


def test_unlabelled_rows_are_no_suspects():
    splits, labels = encoded(make_rows(60, seed=1), test=make_rows(10, seed=2))
    blank = (
        splits["test"]
        .remove_columns("label")
        .add_column("label", [None] * 10, feature=splits["test"].features["label"])
    )
    splits["test"] = blank
    assert all(suspect.split == "train" for suspect in find_suspects(splits, labels, seed=0))


@pytest.mark.parametrize("rows", [[("a b", "no"), ("c d", "yes")], [("a b", "no"), ("a b", "yes"), ("a b", "no")]])
def test_too_few_rows_to_hold_one_out_are_refused(rows):
    splits, labels = encoded([{"id": str(i), "text": text, "label": label} for i, (text, label) in enumerate(rows)])
    with pytest.raises(UsageError, match="--suspect_labels: no row can be held out"):
        find_suspects(splits, labels, seed=0)
