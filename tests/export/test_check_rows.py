"""The rows of the comparison: spread evenly over a file of any format, or the predictions of the model's own folder."""

from __future__ import annotations

import csv
import json

import pytest
from helpers import assert_refused
from made_exports import CLASSES, NUMBERS, SEVERAL, zoo_task

from classification.export.check_rows import read_check_rows
from classification.inference.data_statistics import DataStatistics
from classification.models.choice import ModelChoice


def read(folder, file=None, *, task=None, columns=None, count=500, statistics=None, label=None):
    choice, task = ModelChoice(str(folder)), task or zoo_task(CLASSES)
    return read_check_rows(choice, task, statistics, file and str(file), columns, count, label_column=label)


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_are_spread_evenly_from_the_first_to_the_last(tmp_path):
    file = write(tmp_path / "a.csv", [{"text": f"text {i}"} for i in range(1, 21)])
    assert read(tmp_path, file, count=5).numbers == [1, 5, 10, 15, 20]
    assert len(read(tmp_path, file, count=50).texts) == 20


def test_rows_without_a_text_are_left_out(tmp_path):
    file = write(tmp_path / "a.csv", [{"text": text} for text in ("good", "", " ", "bad")])
    assert read(tmp_path, file).numbers == [1, 4]


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.json"])
def test_other_formats_are_read_as_predictions_read_them(tmp_path, name):
    lines = [json.dumps({"text": text, "label": "praise"}) for text in ("good", "bad")]
    content = {"a.jsonl": "\n".join(lines), "a.txt": "good\nbad\n", "a.json": f"[{','.join(lines)}]"}[name]
    (tmp_path / name).write_text(content)
    rows = read(tmp_path, tmp_path / name)
    assert rows.texts == ["good", "bad"] and rows.labels == (None if name == "a.txt" else [2, 2])


def test_the_columns_are_those_of_the_training_or_those_that_are_named(tmp_path):
    file = write(tmp_path / "a.csv", [{"review": "good", "title": "bad", "stars": "praise"}])
    statistics = DataStatistics(9, text_columns=("review",), label_column="stars")
    assert read(tmp_path, file, statistics=statistics).texts == ["good"]
    assert read(tmp_path, file, statistics=statistics).labels == [2]
    assert read(tmp_path, file, statistics=statistics, columns="title").texts == ["bad"]
    assert read(tmp_path, file, columns="review,title").pairs == ["bad"]


def test_labels_that_the_model_does_not_know_give_no_metric(tmp_path):
    file = write(tmp_path / "a.csv", [{"text": "good", "label": "unheard of"}])
    assert read(tmp_path, file).labels is None


def test_the_label_column_may_be_named(tmp_path):
    row = {"text": "good", "sentiment": "praise", "stars": "5"}
    file = write(tmp_path / "a.csv", [row])
    assert read(tmp_path, file).labels is None
    assert read(tmp_path, file, label="sentiment").labels == [2]
    assert_refused(["--label_column_name nosuch"], lambda: read(tmp_path, file, label="nosuch"))
    words = ["--label_column_name stars", "does not know '5'", "leave the flag out"]
    assert_refused(words, lambda: read(tmp_path, file, label="stars"))


def test_the_predictions_of_the_folder_are_the_rows_without_a_file(tmp_path):
    row = {"id": "1", "text": "good", "label": "praise", "prediction": "blame", "tokens": "3", "truncated": "False"}
    write(tmp_path / "predictions.csv", [row, row | {"label": ""}])
    statistics = DataStatistics(9, text_columns=("review",), label_column="stars")  # other names than in the file
    rows = read(tmp_path, statistics=statistics)
    assert (rows.texts, rows.pairs, rows.labels, rows.source) == (["good"] * 2, None, [2, None], "predictions.csv")


@pytest.mark.parametrize(
    ("values", "cells", "ids"),
    [
        (SEVERAL, ['["blame", "praise"]', "[]"], [[1.0, 1.0], [0.0, 0.0]]),
        (NUMBERS, ["120.5", ""], [pytest.approx(-0.42, abs=0.1), None]),
    ],
)
def test_labels_of_predictions_are_read_for_every_task(tmp_path, values, cells, ids):
    write(tmp_path / "predictions.csv", [{"text": "good", "text_pair": "bad", "label": cell} for cell in cells])
    rows = read(tmp_path, task=zoo_task(values))
    assert rows.labels == ids and rows.pairs == ["bad", "bad"]


def test_predictions_with_guarded_labels_are_compared_without_a_metric(tmp_path):
    write(tmp_path / "predictions.csv", [{"text": "good", "label": "'praise"}])
    assert read(tmp_path).labels is None


def test_without_predictions_a_file_is_asked_for(tmp_path):
    assert_refused(["--check_file", "predictions.csv", "--check_file FILE"], read, tmp_path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"text": ""}], ["--check_file", "no row has a text"]),
        ([{"other": "good"}], ["--check_file", "a.csv", "other"]),
        (None, ["--check_file", "a.csv: there is no such file"]),
    ],
)
def test_a_file_without_texts_is_refused(tmp_path, rows, words):
    file = tmp_path / "a.csv"
    if rows:
        write(file, rows)
    assert_refused(words, read, tmp_path, file)
