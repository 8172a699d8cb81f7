"""The user's columns become `id, text, text_pair?, label?`, whatever their names are."""

from __future__ import annotations

import random

import pytest
from corpus import make_rows, splits_of

from classification.data.columns import Columns, read_times, standardise_columns
from classification.errors import UsageError


def rows_with(**columns) -> list[dict]:
    return [{**columns, "label": i % 2} for i in range(6)]


@pytest.mark.parametrize("name", ["text", "sentence", "review", "content"])
def test_a_text_column_is_found_by_its_name(name):
    splits, _ = standardise_columns(splits_of(rows_with(**{name: "good", "other": "x"})), Columns())
    assert splits["train"][0] == {"text": "good", "id": "train-0", "label": 0}


@pytest.mark.parametrize(
    ("first", "second"),
    [("text_a", "text_b"), ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question", "sentence")],
)
def test_pairs_are_found_by_their_names_and_joined_on_request(first, second):
    data = splits_of(rows_with(**{first: "good", second: "bad"}))
    pairs, _ = standardise_columns(data, Columns())
    assert pairs["train"][1] == {"text": "good", "text_pair": "bad", "id": "train-1", "label": 1}
    joined, _ = standardise_columns(data, Columns(text=(first, second), delimiter=" / "))
    assert joined["train"]["text"][1] == "good / bad" and "text_pair" not in joined["train"].column_names


def test_ids_come_from_a_unique_column_only():
    rows = make_rows(4)
    assert standardise_columns(splits_of(rows), Columns())[0]["train"]["id"][:] == [row["id"] for row in rows]
    repeated = splits_of([row | {"id": "same"} for row in rows])
    assert standardise_columns(repeated, Columns())[0]["train"]["id"][1] == "train-1"
    with pytest.raises(UsageError, match="--id_column_name id: ids repeat in train.*same"):
        standardise_columns(repeated, Columns(id="id"))


REFUSED = {
    "a column that is not there": ({"text": ("txet",)}, ["--text_column_names txet", "Did you mean 'text'"]),
    "numbers as text": ({"text": ("number",)}, ["--text_column_names number", "int values", "column of strings"]),
    "three columns without a delimiter": ({"text": ("text", "other", "text")}, ["--text_column_delimiter"]),
    "a column to remove that is not there": ({"remove": ("lable",)}, ["--remove_columns lable", "'label'"]),
    "an id column that is not there": ({"id": "guid"}, ["--id_column_name guid", "number, text, other"]),
    "a group column that is not there": ({"group": "user"}, ["--validation_group_column user"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_do_not_exist_or_fit_are_refused(case):
    settings, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        standardise_columns(splits_of(rows_with(number=1, text="good", other="x")), Columns(**settings))
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("text", "review"), ["several columns could be the text (text, review)"]),
        (("title",), ["no column is called text, sentence, review, content", "--text_column_names a,b"]),
    ],
)
def test_an_unclear_text_column_is_refused(names, words):
    with pytest.raises(UsageError) as refused:
        standardise_columns(splits_of(rows_with(**dict.fromkeys(names, "good"))), Columns())
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize("names", [("label", "labels"), ()])
def test_an_unclear_label_column_is_refused(names):
    rows = [{"text": "good", "stars": 1, **dict.fromkeys(names, i % 2)} for i in range(4)]
    problem = "several columns could be the label" if names else "no column is called label or labels"
    with pytest.raises(UsageError, match=f"--label_column_name: {problem} in train; the columns are text, stars"):
        standardise_columns(splits_of(rows), Columns())


def test_a_removed_column_is_not_seen():
    rows = [{"text": "good", "review": "bad", "label": i % 2} for i in range(4)]
    splits, _ = standardise_columns(splits_of(rows), Columns(remove=("review",)))
    assert splits["train"]["text"][0] == "good"


def test_splits_of_singles_and_pairs_are_refused():
    pairs = [{"text_a": "good", "text_b": "bad", "label": 0}]
    with pytest.raises(UsageError, match="some splits have pairs and others single texts"):
        standardise_columns(splits_of(make_rows(4), test=pairs), Columns())


def test_group_and_time_are_read_for_the_split_only():
    rows = [row | {"user": f"u{i}", "date": f"2024-01-0{i + 1}"} for i, row in enumerate(make_rows(4))]
    columns = Columns(group="user", time="date")
    alone, _ = standardise_columns(splits_of(rows), columns)
    assert alone["train"].column_names == ["text", "id", "label", "group", "time"]
    given, _ = standardise_columns(splits_of(rows, validation=rows), columns)
    assert given["train"].column_names == ["text", "id", "label"]


def test_times_are_numbers_or_dates():
    dates = ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00", "2024-01-01", None]
    data = splits_of([{"date": date, "number": i, "word": "x"} for i, date in enumerate(dates)])["train"]
    first = read_times(data, "date")
    assert first[0] == first[1] == first[2] == 1704067200.0 and first[3] is None
    assert read_times(data, "number") == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match="--time_column word: row 0 has 'x'.*2024-01-31"):
        read_times(data, "word")


def test_the_order_of_the_rows_is_kept():
    rows = random.Random(0).sample(make_rows(30), 30)
    splits, _ = standardise_columns(splits_of(rows), Columns())
    assert splits["train"]["text"][:] == [row["text"] for row in rows]
