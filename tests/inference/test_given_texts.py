"""What a notebook may give a classifier, and what is refused with its place."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_refused

from classification.inference.given_texts import read_texts


@pytest.mark.parametrize(
    ("texts", "pairs", "expected"),
    [
        ("a", None, (["a"], None, True)),
        ("a", "b", (["a"], ["b"], True)),
        ("a", "", (["a"], [""], True)),
        (["a", "b"], None, (["a", "b"], None, False)),
        (("a", "b"), None, (["a", "b"], None, False)),
        ([("a", "b")], None, (["a"], ["b"], False)),
        ([["a", "b"], ["c", "d"]], None, (["a", "c"], ["b", "d"], False)),
        (["a", "b"], ["c", "d"], (["a", "b"], ["c", "d"], False)),
        ([], None, ([], None, False)),
        ([], [], ([], [], False)),
        ((text for text in "ab"), None, (["a", "b"], None, False)),
        (np.array(["a", "b"]), None, (["a", "b"], None, False)),
        (np.array([["a", "b"]]).tolist(), None, (["a"], ["b"], False)),
    ],
)
def test_texts_and_pairs_are_read(texts, pairs, expected):
    given = read_texts(texts, pairs)
    assert (given.texts, given.pairs, given.is_one) == expected
    assert all(type(text) is str for text in given.texts)


@pytest.mark.parametrize(
    ("texts", "pairs", "words"),
    [
        (None, None, ["NoneType", "Pass a string or a list"]),
        (3, None, ["int: is no text"]),
        (b"bytes", None, ["bytes: is no text"]),
        ({"text": "a"}, None, ["dict: is no text"]),
        ("", None, ["the text: is blank"]),
        (["a", " \u200b "], None, ["text 1: is blank"]),
        (["a", None], None, ["text 1: is of type NoneType"]),
        (["a", 7], None, ["text 1: is of type int (", "7", "Pass a string"]),
        (["a", float("nan")], None, ["text 1: is of type float"]),
        ([("a", "b"), "cd"], None, ["text 1: is no pair"]),
        ([("a", "b"), ("c",)], None, ["text 1: is no pair"]),
        ([("a", None)], None, ["second text 0: is of type NoneType"]),
        (["a", ("b", "c")], None, ["text 1: is of type tuple"]),
        (["a", "b"], ["c"], ["1 second texts for 2 texts"]),
        (["a"], "b", ["pairs: there are several texts"]),
        ("a", ["b"], ["pairs: one text has one second text"]),
        (["caf\udce9"], None, ["text 0: has half of a character"]),
    ],
)
def test_anything_else_is_refused_with_its_place(texts, pairs, words):
    assert_refused(words, read_texts, texts, pairs)
