"""Messy columns, ids and labels from the file to predictions.csv: the same in every reader, or one line that helps."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from corpus import make_rows, write_csv
from datasets import Dataset
from helpers import assert_refused, read_predictions

from classification.cli.parser import parse_arguments
from data_utils import load_corpus
from run_classification import main

READERS = ("csv", "jsonl", "parquet", "folder")


def write(rows: list[dict], reader: str, folder: Path) -> dict:
    """The flags that give `rows` as training data to a reader."""
    folder.mkdir(exist_ok=True)
    path = folder / f"train.{'parquet' if reader == 'folder' else reader}"
    if reader == "csv":
        write_csv(path, [{name: "" if value is None else value for name, value in row.items()} for row in rows])
    elif reader == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        Dataset(pa.Table.from_pylist(rows)).to_parquet(str(path))
    return {"dataset_name": folder} if reader == "folder" else {"train_file": path}


@pytest.fixture
def load(tmp_path):
    """A function that gives rows to a reader and loads them as the command line does."""

    def from_rows(rows: list[dict], reader: str, **flags):
        flags = write(rows, reader, tmp_path / reader) | {"output_dir": tmp_path / "out"} | flags
        return load_corpus(parse_arguments([f"--{name}={value}" for name, value in flags.items()]))

    return from_rows


def numbered(labels: list, **columns) -> list[dict]:
    rows = make_rows(len(labels))
    return [
        row | {"text": f"{row['text']} {i}", "label": label} | {name: values[i] for name, values in columns.items()}
        for i, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]


ALIKE = {  # labels as values -> names of the classes
    "words for nothing": (["None", "null", "nan", "NA"] * 6, ("NA", "None", "nan", "null")),
    "booleans": ([True, False] * 12, ("False", "True")),
    "spelled booleans": (["true", "false"] * 12, ("False", "True")),
    "whole numbers": ([3, 10, 0] * 8, ("0", "3", "10")),
    "floats of whole numbers": ([1.0, 0.0] * 12, ("0", "1")),
    "underscores": (["1_1.5", "2_1.5"] * 12, ("1_1.5", "2_1.5")),
    "dates": (["2021-03-01", "2022-04-01"] * 12, ("2021-03-01", "2022-04-01")),
    "leading zeros": (["007", "7"] * 12, ("007", "7")),
    "full-width digits": (["１", "２"] * 12, ("１", "２")),
}


@pytest.mark.parametrize("case", ALIKE)
def test_every_reader_gives_the_same_classes(case, load):
    labels, names = ALIKE[case]
    corpora = [load(numbered(labels), reader) for reader in READERS]
    assert {corpus.task.names for corpus in corpora} == {names}
    splits = [{row["id"]: row["label"] for data in corpus.splits.values() for row in data} for corpus in corpora]
    assert all(split == splits[0] for split in splits)


IDS = ["007", "1e5", "2020-06-01T10:00:00Z", "12345678901234567890", " x", "null", "1.0", "TRUE"]


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_keeps_ids_as_they_are_written(reader, load):
    corpus = load(numbered(["a", "b"] * 12, id=[f"{i}" for i in range(100, 116)] + IDS), reader)
    ids = {row_id for data in corpus.splits.values() for row_id in data["id"]}
    assert set(IDS) < ids and len(ids) == 24


@pytest.mark.parametrize("reader", READERS)
def test_numbers_with_a_decimal_comma_are_refused_and_each_remedy_works(reader, load):
    values = [f"{i % 6},{i % 4}5" for i in range(24)]
    assert_refused(
        ["--label_column_name", "'0,05'", "decimal point", "--label_delimiter ','", "--do_regression false"],
        load, numbered(values), reader,
    )  # fmt: skip
    assert load(numbered([value.replace(",", ".") for value in values]), reader).task.problem_type == "regression"
    assert load(numbered(values), reader, label_delimiter=",").task.names == (
        "0",
        "05",
        "1",
        "15",
        "2",
        "25",
        "3",
        "35",
        "4",
        "5",
    )
    assert load(numbered(values), reader, do_regression="false").task.num_labels == 12


@pytest.mark.parametrize("reader", READERS)
def test_regression_is_announced_with_the_way_to_classes(reader, load, caplog):
    caplog.set_level("INFO")
    rows = numbered(["1.0", "1.2", "2"] * 8)
    assert load(rows, reader).task.problem_type == "regression"
    assert "regression, because the labels are numbers with a fraction (for example 1.2)" in caplog.text
    assert "For classes, pass --do_regression false" in caplog.text
    assert load(rows, reader, do_regression="false").task.names == ("1.0", "1.2", "2")


def test_numbers_as_classes_are_trained_evaluated_and_predicted_by_their_names(command, tmp_path):
    files = {split: write(numbered(["1.0", "1.2", "2"] * 8), "jsonl", tmp_path / split)["train_file"]
             for split in ("train", "validation", "test")}  # fmt: skip
    flags = {f"{split}_file": path for split, path in files.items()}
    main(command(**flags, do_regression="false"))
    again = main(command(model_name_or_path=tmp_path / "out", test_file=files["test"], train_file=None,
                         validation_file=None, do_predict=True, output_dir=tmp_path / "again"))  # fmt: skip
    first, second = read_predictions(tmp_path / "out"), read_predictions(tmp_path / "again")
    assert first == second and [row["label"] for row in first[:3]] == ["1.0", "1.2", "2"]
    assert {"prob_1.0", "prob_1.2", "prob_2"} < first[0].keys() and "test_accuracy" in again


def test_one_repeated_id_changes_no_id(command, tmp_path, capsys):
    rows = [row | {"id": f"v{min(i, 8)}"} for i, row in enumerate(make_rows(10))]
    path = write_csv(tmp_path / "test.csv", rows)
    main(command(test_file=path))
    assert [row["id"] for row in read_predictions(tmp_path / "out")] == [row["id"] for row in rows]
    assert "in the column 'id' of test 1 id repeats: v8 in 2 rows; all ids are kept" in capsys.readouterr().out


def test_sixty_classes_of_which_most_have_one_row_run(command, tmp_path, capsys):
    rows = numbered(["neg", "pos"] * 16 + [f"rare{i}" for i in range(58)])
    main(command(train_file=write_csv(tmp_path / "a.csv", rows), validation_file=None, test_file=None))
    shown = capsys.readouterr().out
    assert "58 classes with a single text stay in train and are not in validation" in shown
    assert "train has 60 classes in" in shown and "groups" not in shown


def test_the_column_that_a_message_names_can_be_typed(command, nothing_slow, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mood, sentences\n" + "neg, a bad film\npos, a good film\n" * 9)
    flags = {"train_file": path, "validation_file": None, "test_file": None}
    assert_refused(["--text_column_names", 'mood, " sentences"'], main, command(**flags))
    named = flags | {"text_column_names": " sentences", "label_column_name": "mood"}
    assert_refused(["--validation_fraction"], main, command(**named))  # the columns are read: next, the split
    assert_refused(["--text_column_names sentence:", "'\" sentences\"'"], main, command(**named | {
        "text_column_names": "sentence"}))  # fmt: skip


REFUSED = {
    "unclear objects": ([{"id": 0, "rank": 1}, {"id": 1, "rank": 2}], {}, ["fields id, rank", "'label.id'"]),
    "lists inside lists": ([[["a"]], [["b"]]], {}, ["id r0-0 of train", "a list inside a list"]),
    "the text as label": (["a", "b"], {"label_column_name": "text"}, ["--label_column_name text", "is the text"]),
    "an id as label": (["a", "b"], {"label_column_name": "id"}, ["every class has one text only", "an id or a text"]),
    "one class that repeats": (["a", "b"], {"id_column_name": "label"}, ["--id_column_name label", "a in 12 rows"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_and_ids_that_cannot_be_read_are_refused(case, command, nothing_slow, tmp_path):
    labels, flags, words = REFUSED[case]
    path = write(numbered(labels * 12), "jsonl", tmp_path / "data")["train_file"]
    assert_refused(words, main, command(train_file=path, validation_file=None, test_file=None, **flags))
    assert not (tmp_path / "out").exists()
