"""Tokens belong to words of the original text, in every script and with every kind of tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
import zoo

from classification.inference.word_spans import find_spans

CHARACTERS = "each character"


def words_of(text: str, offsets) -> list[str]:
    offsets = [(i, i + 1) for i in range(len(text))] if offsets is CHARACTERS else offsets
    return [text[start:end] for start, end in find_spans(text, offsets).bounds]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a good film!", ["It's", "a", "good", "film", "!"]),
        ("costs 3.50 or 1,000", ["costs", "3.50", "or", "1,000"]),
        ("a\tb\r\nc\u00a0d", ["a", "b", "c", "d"]),
        ("cafe\u0301 नमस्ते", ["cafe\u0301", "नमस्ते"]),  # accents and vowel signs
        ("👩‍👩‍👧👍🏽🇩🇪", ["👩‍👩‍👧", "👍🏽", "🇩🇪"]),
        ("", []),
        (" \n\t ", []),
        ("\u0301a", ["\u0301", "a"]),
        ("a-b_c", ["a", "-", "b", "_", "c"]),
        ("很好", ["很", "好"]),
    ],
)
def test_a_word_is_what_a_reader_takes_for_one(text, words):
    assert words_of(text, CHARACTERS) == words


def test_a_token_joins_characters_of_scripts_without_spaces():
    assert words_of("电影很好", [(0, 2), (2, 3), (3, 4)]) == ["电影", "很", "好"]


def test_a_token_that_begins_with_a_space_belongs_to_the_word_after_it():
    spans = find_spans("so good", [(0, 2), (2, 7)])
    assert spans.bounds == ((0, 2), (3, 7)) and spans.word_of.tolist() == [0, 1]


def test_a_token_of_spaces_counts_for_the_next_word_and_at_the_end_for_the_last():
    spans = find_spans("a  b ", [(0, 1), (1, 2), (2, 4), (4, 5)])
    assert spans.word_of.tolist() == [0, 1, 1, 1]
    assert spans.sums(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [1.0, 14.0]


def test_a_text_without_words_has_no_sums():
    spans = find_spans("  ", [(0, 2)])
    assert spans.bounds == () and spans.sums(np.ones(1)).tolist() == []
    assert find_spans("", []).is_read(np.zeros(0, dtype=bool)).tolist() == []


TEXTS = [
    "It's  good!\t电影很好 👩‍👩‍👧 naïve cafe\u0301 کتاب جميل 3.5\nlast",
    "\ufeffgood \u200bfilm\u00ad", "ﬁne ＧＯＯＤ ½", "good" * 50, "\u202eabc\u202c", "İstanbul ß ẞ", "a\x00b \x07",
    "e\u0301\u0302\u0303" * 20, "[SEP] good </s> [CLS]", "...!!!???", "很" * 30 + "good",
]  # fmt: skip


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
@pytest.mark.parametrize("text", TEXTS)
def test_every_token_of_every_tokenizer_has_a_word_that_overlaps_it(architecture, text):
    offsets = [span for span in zoo.make_tokenizer(architecture)([text], add_special_tokens=False)[0].offsets]
    spans = find_spans(text, offsets)
    assert len(spans.word_of) == len(offsets) and all(0 <= word < len(spans.bounds) for word in spans.word_of)
    assert all(start < end <= after for (start, end), (after, _) in zip(spans.bounds, spans.bounds[1:], strict=False))
    for (start, end), word in zip(offsets, spans.word_of, strict=True):
        if text[start:end].strip():
            first, last = spans.bounds[word]
            assert first < end and start < last, (text[start:end], text[first:last])


def test_ten_thousand_characters_are_fast():
    text = "word 很好 👍 " * 1000
    spans = find_spans(text, [(i, i + 1) for i in range(len(text))])
    assert len(spans.bounds) == 4000
