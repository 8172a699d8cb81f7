"""The text columns of an input, and why a row has no text."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from helpers import assert_refused

from classification.data.sources.json_decoder import NumberText
from classification.inference.data_statistics import DataStatistics
from classification.inference.row_texts import BLANK, TextColumns, as_text, find_columns, find_id_column

TRAINED = DataStatistics(rows=9, text_columns=("review",), label_column="label")
PAIRS = DataStatistics(rows=9, text_columns=("premise", "hypothesis"), has_pairs=True)
JOINED = DataStatistics(rows=9, text_columns=("title", "body"), text_column_delimiter=" | ")


@dataclass
class Batch:
    columns: dict
    problems: dict
    first: int = 0

    def column(self, name):
        return self.columns[name]


def find(columns, given=None, delimiter=None, trained=None, **more) -> TextColumns:
    return find_columns(columns, given, delimiter, trained, place="INPUT a.csv", **more)


def read(names, delimiter=None, problems=None, **columns):
    return TextColumns(names, delimiter).read(Batch(columns, problems or {}), list(columns))


# ------------------------------------------------------------------------------------------------------- which columns


@pytest.mark.parametrize(
    ("columns", "given", "delimiter", "trained", "names"),
    [
        (["id", "text"], None, None, None, ("text",)),
        (["id", "text"], "id", None, None, ("id",)),
        (["text", "review"], None, None, TRAINED, ("review",)),
        (["text", "review"], "text", None, TRAINED, ("text",)),
        ([" review ", "x"], None, None, TRAINED, (" review ",)),
        (["premise", "hypothesis"], None, None, None, ("premise", "hypothesis")),
        (["hypothesis", "premise"], None, None, PAIRS, ("premise", "hypothesis")),
        (["a,b", "c"], "a,b", None, None, ("a,b",)),
        (["a", "b", "c"], "a,b,c", " ", None, ("a", "b", "c")),
        (["data"], "data.body", None, None, ("data.body",)),
    ],
)
def test_text_columns_are_found(columns, given, delimiter, trained, names):
    assert find(columns, given, delimiter, trained).names == names


@pytest.mark.parametrize(("delimiter", "used"), [(None, " | "), (". ", ". ")])
def test_columns_with_other_names_are_joined_as_in_training(delimiter, used):
    assert find(["a", "b"], "a,b", delimiter, JOINED) == TextColumns(("a", "b"), used)
    assert find(["title", "body"], None, delimiter, JOINED) == TextColumns(("title", "body"), used)


def test_lines_of_text_have_one_column_whatever_the_training_had():
    assert find(["text"], trained=TRAINED, is_lines=True).names == ("text",)
    assert_refused(["reads pairs", "--text_column_names a,b"], lambda: find(["text"], trained=PAIRS, is_lines=True))


@pytest.mark.parametrize(
    ("columns", "given", "trained", "words"),
    [
        (["reviews", "x"], None, TRAINED, ["no column review", "model's text column", "--text_column_names reviews"]),
        (["text", "x"], None, TRAINED, ["no column review", "--text_column_names text"]),
        (["q", "x"], None, TRAINED, ["the columns are q, x", "--text_column_names NAME"]),
        (["text"], "txt", None, ["--text_column_names txt", "Did you mean 'text'?"]),
        (["a", "b"], None, None, ["no column is called text", "the columns are a, b"]),
        (["text", "sentence"], None, None, ["several columns could be the text"]),
        (["a", "b", "c"], "a,b,c", None, ["--text_column_delimiter ' '"]),
        (["premise", "x"], None, PAIRS, ["no column hypothesis"]),
        (["premise", "hypothesis"], "premise", PAIRS, ["reads pairs of texts", "Name two columns"]),
        (["a", "b"], "a,b", TRAINED, ["single texts, and this is a pair", "--text_column_names a"]),
    ],
)
def test_columns_that_are_not_there_are_refused_with_a_suggestion(columns, given, trained, words):
    assert_refused(words, lambda: find(columns, given, None, trained))


def test_a_suggestion_works():
    assert find(["reviews", "x"], "reviews", None, TRAINED).names == ("reviews",)


def test_ids_have_a_usual_name():
    assert find_id_column(["text", "guid"]) == "guid" and find_id_column(["text"]) is None


# ------------------------------------------------------------------------------------------------------- which texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), (NumberText("1.10"), "1.10"), (7, "7"), (2.0, "2"), (2.5, "2.5"), (Decimal("1.50"), "1.50"),
        (b"caf\xc3\xa9", "café"), (None, None), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_what_training_reads_as_text_is_text(value, text):
    found, problem = as_text(value)
    assert found == text and not problem and (found is None or type(found) is str)


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "true or false"), (["a"], "a list"), ({"a": 1}, "an object"), (b"\xff", "bytes that are not UTF-8")],
)
def test_what_is_no_text_is_a_problem(value, words):
    assert as_text(value) == (None, words)
    assert read(("text",), text=[value, "a"]).problems == {0: f"has {words} in the column text, not text"}


def test_blank_and_missing_texts_are_problems_and_an_empty_second_text_is_none():
    found = read(("a", "b"), a=["x", "", None, "y", "z"], b=["1", "2", "3", None, ""])
    assert found.problems == {1: BLANK, 2: BLANK, 3: BLANK}
    assert (found.texts[4], found.pairs[4]) == ("z", "")


def test_joined_columns_leave_missing_ones_out():
    found = read(("a", "b", "c"), " | ", a=["x", None], b=[None, None], c=["z", None])
    assert found.texts == ["x |  | z", " |  | "] and found.pairs is None and not found.problems


def test_a_problem_of_the_stream_comes_first():
    found = read(("text",), problems={0: "line 1 is not JSON"}, text=[None, "a"])
    assert found.problems == {0: "line 1 is not JSON"}


def test_half_of_a_character_is_a_problem():
    assert "half of a character" in read(("text",), text=["caf\ud83d"]).problems[0]


def test_a_field_of_an_object_is_read():
    found = read(
        ("data.body.text",), data=[{"body": {"text": "a"}}, {"body": None}, '{"body": {"text": "b"}}', "no", 3]
    )
    assert found.texts[:3] == ["a", "", "b"] and set(found.problems) == {1, 3, 4}
