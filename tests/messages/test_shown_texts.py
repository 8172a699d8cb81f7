"""Texts of rows are shown or hidden in one place, also in what errors of libraries quote."""

from __future__ import annotations

import pytest

from classification.errors import UsageError, first_line
from classification.messages.shown_texts import HIDDEN, are_texts_shown, column_title, format_error, quoted, texts_shown


def test_a_text_is_quoted_only_where_texts_are_shown():
    assert quoted("a 'text'") == "\"a 'text'\"" and quoted("a text", 3) == "'a t'"
    with texts_shown(False):
        assert quoted("a text") == quoted("a text", 3) == HIDDEN and not are_texts_shown()
        with texts_shown(True):  # a run inside a run
            assert are_texts_shown()
        assert not are_texts_shown()
    assert are_texts_shown()


@pytest.mark.parametrize("name", ["text", "sentence1", "meta.author", "label_2", ""])
def test_usual_column_names_are_no_texts(name):
    with texts_shown(False):
        assert column_title(name) == name


@pytest.mark.parametrize("name", ["what a film", "好电影", "x" * 41, "17", "a,b", "don't"])
def test_a_column_name_that_may_be_a_row_is_hidden(name):
    with texts_shown(False):
        assert column_title(name) == HIDDEN
    assert column_title(name) == name


def test_the_messages_of_libraries_are_hidden_and_ours_are_not():
    with texts_shown(False):
        assert "secret" not in first_line(ValueError("secret text")) + first_line(KeyError("secret"))
        assert first_line(UsageError("--flag: wrong")) == "--flag: wrong."
        assert "No such file" in first_line(FileNotFoundError(2, "No such file", "a.csv"))
        assert "out of memory" in first_line(RuntimeError("out of memory"))
    assert first_line(ValueError("secret text")) == "secret text."


def test_a_traceback_is_hidden_after_its_run_has_ended():
    """The shell prints it outside of the run, causes included."""
    words = ["first text", "second text"]
    with pytest.raises(UsageError) as raised, texts_shown(False):
        try:
            raise ValueError(words[0])
        except ValueError as cause:
            cause.__context__ = KeyError(words[1])
            raise UsageError("--flag: the error of ours.") from cause
    text = format_error(raised.value)
    assert "--flag: the error of ours." in text and "ValueError" in text and "KeyError" in text
    assert "in test_a_traceback_is_hidden" in text and not any(word in text for word in words)
    assert words[0] in format_error(ValueError(words[0]))


def test_a_circle_of_causes_ends():
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    with texts_shown(False):
        assert format_error(first).count("ValueError") == 2
