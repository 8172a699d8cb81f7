"""One rule decides what is missing, what is a number and which labels are equal."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from classification.data.label_values import (
    as_float,
    as_int,
    as_yes_no,
    has_separator,
    is_missing,
    label_key,
    name_booleans,
    sorted_names,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("3.5", 3.5), (" 3.5 ", 3.5), ("+4", 4.0), ("-4", -4.0), ("1e3", 1000.0), ("3.", 3.0), (".5", 0.5),
        ("007", 7.0), (7, 7.0), (0.5, 0.5), (Decimal("2.50"), 2.5), (np.float32(0.5), 0.5), (np.int64(3), 3.0),
    ],
)  # fmt: skip
def test_numbers_are_ascii_digits_with_a_point(value, number):
    assert as_float(value) == number


NO_NUMBERS = [
    "1_1.5", "1_000", "１", "１.5", "٣", "²", "0x10", "nan", "NaN", "inf", "-Infinity", "1e999", "3,5", "1 000", "",
    " ", "five", "1e", "--1", "+", ".", None, True, False, float("nan"), float("inf"), 10**400, [1], b"1",
]  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_anything_else_is_no_number(value):
    assert as_float(value) is None


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (1, 1), ("1", 1), ("1.0", 1), (1.0, 1), (" 1", 1), ("-1.0", -1), ("0", 0), ("007", "007"), ("+1", "+1"),
        ("1.5", "1.5"), (True, "True"), ("１2", "１2"), ("1２", "1２"), ("1_0", "1_0"), ("nan", "nan"),
    ],
)  # fmt: skip
def test_whole_numbers_are_one_label_however_they_are_written(value, key):
    assert label_key(value) == key


def test_a_long_row_of_digits_is_a_name():
    assert as_int("9" * 5000) is None and label_key("9" * 5000) == "9" * 5000


@pytest.mark.parametrize("value", [None, "", " \t", "\u00a0", float("nan"), Decimal("nan")])
def test_nothing_is_missing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", ["nan", "NaN", "None", "null", "NA", "N/A", "-", 0, -1, False, [], {}])
def test_words_for_nothing_are_values(value):
    assert not is_missing(value)


@pytest.mark.parametrize(
    "text",
    ["3,5", " 3,5", "-3,5", "0,25", "1.234,5", "1,234.5", "1,234,567", "1 234,5", "1\u00a0234", "1'234", "1.234.567",
     ",5", "1,2,3", "３.5", "٣٫٥"],
)  # fmt: skip
def test_numbers_of_other_countries_are_recognised(text):
    assert has_separator(text) and as_float(text) is None


@pytest.mark.parametrize("text", ["3.5", "1.234", "a,b", "1,b", "2024-01-31", "1.2.3", "10:30", "5-10", "x", "", "１"])
def test_other_texts_are_no_numbers_of_other_countries(text):
    assert not has_separator(text)


def test_cells_of_yes_and_no_are_0_and_1_or_true_and_false():
    yes = [1, 1.0, "1", "1.0", "1.00", " 1 ", True, "true", "TRUE", "True"]
    no = [0, 0.0, "0", "0.0", False, "false", "False", "-0"]
    assert {as_yes_no(cell) for cell in yes} == {True} and {as_yes_no(cell) for cell in no} == {False}
    assert {as_yes_no(cell) for cell in ["yes", "2", "", None, -1, 0.5, "１", "x", "1,0"]} == {None}


def test_names_are_as_written_unless_all_are_whole_numbers():
    assert sorted_names(["1.0", "1.2", "2"]) == ("1.0", "1.2", "2")
    assert sorted_names(["10", "2.0", 0]) == ("0", "2", "10")
    assert sorted_names(["1", "1.0", "1.0", "x"]) == ("1.0", "x")  # the more frequent spelling
    assert sorted_names(["1", "1.0", "x"]) == sorted_names(["x", "1.0", "1"]) == ("1", "x")


def test_true_and_false_have_one_name_unless_they_are_words_among_others():
    assert name_booleans([True, False, None]) == name_booleans(["true", "FALSE", None]) == ["True", "False", None]
    assert name_booleans(["true", "half-true"]) == ["true", "half-true"]


@pytest.mark.parametrize("text", ["\u22121.5", "\u20130.5", "\u22121,5"])
def test_other_minus_signs_look_like_numbers(text):
    assert has_separator(text) and as_float(text) is None
