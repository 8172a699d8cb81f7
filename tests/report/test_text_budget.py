"""Texts share a budget: the longest are cut first, and what a reader sees as one character stays whole."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classification.report.text_budget import cut_text, encoded_size, fit_texts, shortened


def test_the_longest_texts_are_cut_first():
    texts = ["a" * 10, "b" * 1000, "c" * 50, "d" * 400]
    fitted = fit_texts(texts, 400)
    assert fitted[0] == texts[0] and fitted[2] == texts[2]
    assert len(fitted[1]) == len(fitted[3]) and 150 < len(fitted[1]) < 170
    assert sum(map(encoded_size, fitted)) <= 400


def test_texts_that_fit_stay_as_they_are():
    texts = ["one", "zwei", "三", ""]
    assert fit_texts(texts, 100) == texts and fit_texts([], 0) == []


@settings(max_examples=40)
@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 300))
def test_the_budget_holds_for_any_texts(texts, budget):
    fitted = fit_texts(texts, budget)
    empty = sum(encoded_size("") for _ in texts)
    assert sum(map(encoded_size, fitted)) <= max(budget, empty)
    assert all(whole.startswith(part) for whole, part in zip(texts, fitted, strict=True))


@pytest.mark.parametrize("cluster", ["café", "👩‍👩‍👧", "👍🏽", "क्षि", "שָׁלוֹם"], ids=range(5))
def test_no_cut_divides_a_character(cluster):
    text = unicodedata.normalize("NFD", cluster) * 20
    for length in range(5, 40):
        rest = text[len(cut_text(text, length)) :]
        assert not rest or unicodedata.category(rest[0]) not in ("Mn", "Mc") and rest[0] not in "\u200d🏽"


def test_a_text_of_marks_alone_is_cut_anyway():
    assert cut_text("\u0301" * 50, 10) == "\u0301" * 10


def test_signs_that_are_escaped_count_with_their_size():
    assert encoded_size("<&>") == 5 + 3 * 5 and encoded_size("电") == 5 and encoded_size('"') == 4


def test_a_shortened_text_keeps_whole_characters():
    text = "👩‍👩‍👧" * 100
    assert shortened(text, 300).endswith("👧…") and len(shortened(text, 300)) <= 300
    assert shortened("short", 5) == "short"
