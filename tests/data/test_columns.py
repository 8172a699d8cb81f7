"""The user's columns become `id, text, text_pair?, label?`, whatever their names are."""

from __future__ import annotations

import random
import re

import pytest
from corpus import make_rows, splits_of
from datasets import Dataset, DatasetDict

from classification.data.arrow_columns import arrow_column
from classification.data.column_names import UsedColumns
from classification.data.columns import Columns, remove_columns, standardise_columns
from classification.data.named_columns import shown, split_names
from classification.errors import UsageError
from classification.messages.shown_texts import texts_shown


def rows_with(**columns) -> list[dict]:
    return [{**columns, "label": i % 2} for i in range(6)]


@pytest.mark.parametrize("name", ["text", "sentence", "review", "content"])
def test_a_text_column_is_found_by_its_name(name):
    splits, *_ = standardise_columns(splits_of(rows_with(**{name: "good", "other": "x"})), Columns())
    assert splits["train"][0] == {"text": "good", "id": "train-0", "label": 0}


@pytest.mark.parametrize(
    ("first", "second"),
    [("text_a", "text_b"), ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question", "sentence")],
)
def test_pairs_are_found_by_their_names_and_joined_on_request(first, second):
    data = splits_of(rows_with(**{first: "good", second: "bad"}))
    pairs, *_ = standardise_columns(data, Columns())
    assert pairs["train"][1] == {"text": "good", "text_pair": "bad", "id": "train-1", "label": 1}
    joined, *_ = standardise_columns(data, Columns(text=(first, second), delimiter=" / "))
    assert joined["train"]["text"][1] == "good / bad" and "text_pair" not in joined["train"].column_names


REFUSED = {
    "a column that is not there": ({"text": ("txet",)}, ["--text_column_names txet", "Did you mean 'text'"]),
    "the text as label": ({"label": "text"}, ["--label_column_name text", "this column is the text"]),
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
    splits, *_ = standardise_columns(splits_of(rows), Columns(remove=("review",)))
    assert splits["train"]["text"][0] == "good"


def test_splits_of_singles_and_pairs_are_refused():
    pairs = [{"text_a": "good", "text_b": "bad", "label": 0}]
    with pytest.raises(UsageError, match="some splits have pairs and others single texts"):
        standardise_columns(splits_of(make_rows(4), test=pairs), Columns())


def test_group_and_time_are_read_for_the_split_only():
    rows = [row | {"user": f"u{i}", "date": f"2024-01-0{i + 1}"} for i, row in enumerate(make_rows(4))]
    columns = Columns(group="user", time="date")
    alone, *_ = standardise_columns(splits_of(rows), columns)
    assert alone["train"].column_names == ["text", "id", "label", "group", "time"]
    given, *_ = standardise_columns(splits_of(rows, validation=rows), columns)
    assert given["train"].column_names == ["text", "id", "label"]


ODD_NAMES = [" text", "text ", "a,b", "Text", "TEXT", "a.b", "texte é", "e\u0301", "", '"q"', "x;y", "\u00a0text"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("flag", ["text", "label", "id", "group", "time", "remove"])
def test_every_column_can_be_named_as_messages_show_it(name, flag):
    """Beside columns whose names differ in case or spaces only, which are not taken instead."""
    wrong = {other: [f"wrong {i}" for i in range(4)] for other in ("text", "Text ", "a", "b", "e") if other != name}
    right = {"label": ["x", "y"] * 2, "time": [1, 2, 3, 4]}.get(flag, [f"right {i}" for i in range(4)])
    raw = DatasetDict(train=Dataset.from_dict(wrong | {name: right, "t": list("wxyz"), "l": ["x", "y"] * 2}))
    typed = split_names(shown(name))
    named = {"text": ("t",), "label": "l"} | {flag: typed if flag in ("text", "remove") else typed[0]}
    splits, *_ = standardise_columns(raw, Columns(**named))
    if flag == "remove":
        assert name not in remove_columns(raw, typed)["train"].column_names
    else:
        assert splits["train"][flag][:] == right


def test_an_exact_name_needs_no_quotes():
    rows = [{" text": "right", "text": "wrong", "a,b": "comma", "l,m": str(i % 2)} for i in range(4)]
    for typed, value in ((" text", "right"), ("text", "wrong"), ("a,b", "comma")):
        columns = Columns(text=split_names(typed), label="l,m")
        assert standardise_columns(splits_of(rows), columns)[0]["train"]["text"][0] == value


def test_a_name_may_lack_the_spaces_of_the_file_and_the_splits_may_differ():
    train = [{"label": "x", " text": "good"}, {"label": "y", " text": "bad"}]
    test = [{"label ": "x", "text": "fine"}]
    for columns in (Columns(), Columns(text=("text",), label="label"), Columns(text=(" text",), label=" label")):
        splits, *_ = standardise_columns(splits_of(train, test=test), columns)
        assert splits["train"]["text"][0] == "good" and splits["test"]["text"][0] == "fine"
        assert splits["test"]["label"][:] == ["x"]


def test_a_pair_of_columns_with_commas_is_quoted():
    rows = [{"a,b": "first", "c": "second", "label": i % 2} for i in range(4)]
    columns = Columns(text=split_names('"a,b", c'))
    assert standardise_columns(splits_of(rows), columns)[0]["train"][0]["text_pair"] == "second"


SUGGESTED = [("textt", " text"), ("LABEL", "label"), ("a;b", "a,b"), ("tex", "Text")]


@pytest.mark.parametrize(("typed", "name"), SUGGESTED)
def test_a_suggested_name_works_when_it_is_typed(typed, name):
    data = splits_of([{name: "good", "l": i % 2} for i in range(4)])
    with pytest.raises(UsageError) as refused:
        standardise_columns(data, Columns(text=split_names(typed), label="l"))
    suggested = re.search(r"Did you mean '(.*)'\?", str(refused.value))[1]
    splits, *_ = standardise_columns(data, Columns(text=split_names(suggested), label="l"))
    assert splits["train"]["text"][0] == "good"


def test_names_that_differ_in_spaces_only_must_be_typed_exactly():
    data = splits_of([{" text": "good", "text ": "bad", "l": i % 2} for i in range(4)])
    with pytest.raises(UsageError, match="--text_column_names text: 2 columns have this name with other spaces"):
        standardise_columns(data, Columns(text=("text",), label="l"))


def test_a_column_of_a_million_texts_is_not_copied():
    """The column of the split is the one that was read, buffer for buffer."""
    raw = Dataset.from_dict({"text": [f"text {i}" for i in range(5000)], "label": [i % 2 for i in range(5000)]})
    splits, *_ = standardise_columns(DatasetDict(train=raw), Columns())
    read, kept = (arrow_column(data, "text").chunks[0].buffers()[2] for data in (raw, splits["train"]))
    assert read.address == kept.address


def test_the_order_of_the_rows_is_kept():
    rows = random.Random(0).sample(make_rows(30), 30)
    splits, *_ = standardise_columns(splits_of(rows), Columns())
    assert splits["train"]["text"][:] == [row["text"] for row in rows]


@pytest.mark.parametrize("name", ["\u200btext", "text\u200b", "\ufefftext", " \ufeff text"])
def test_characters_without_width_around_a_name_do_not_count(name):
    rows = [{name: f"text {i}", "label": i % 2} for i in range(4)]
    for columns in (Columns(), Columns(text=("text",))):
        assert standardise_columns(splits_of(rows), columns)[0]["train"]["text"][:] == [f"text {i}" for i in range(4)]


def test_the_split_without_a_text_column_is_named():
    splits = splits_of([{"text": "a", "label": "x"}], test=[{"title": "b"}])
    with pytest.raises(UsageError, match="no column is called text, .* in test; the columns are title"):
        standardise_columns(splits, Columns())


# ----------------------------------------------------------------------------------------------- names that were used


@pytest.mark.parametrize(
    ("rows", "columns", "used"),
    [
        (rows_with(review="good"), Columns(), (("review",), None, "label")),
        (rows_with(**{" Text ": "good"}), Columns(text=("Text",)), ((" Text ",), None, "label")),
        (rows_with(a="x", b="good"), Columns(text=("a", "b"), delimiter=" / "), (("a", "b"), " / ", "label")),
        (rows_with(a="x", b="good"), Columns(text=("b", "a")), (("b", "a"), None, "label")),
        (rows_with(text="x", yes=1, no=0), Columns(labels=("yes", "no")), (("text",), None, None, ("yes", "no"), None)),
        (rows_with(text="x", tag="a|b"), Columns(label="tag", label_delimiter="|"), (("text",), None, "tag", (), "|")),
    ],
)
def test_the_names_of_the_columns_that_were_read_are_returned(rows, columns, used):
    *_, names = standardise_columns(splits_of(rows), columns)
    assert names == UsedColumns(*used)


def test_a_name_that_may_be_a_text_is_left_out_where_texts_are_hidden():
    names = UsedColumns(("what the customer said",), None, "label")
    assert names.as_dict()["text_columns"] == ["what the customer said"]
    with texts_shown(False):
        assert names.as_dict() == UsedColumns().as_dict()
        assert UsedColumns(("text",), " ", "label").as_dict()["text_column_delimiter"] is None
