"""The words of a text in any case, width and script."""

from __future__ import annotations

import numpy as np
import pytest

from classification.data.words import Words, split_words


def test_code_is_no_markup():
    assert split_words("use vector<int> here <br/>") == ["use", "vector", "int", "here"]


def test_words_are_the_same_in_any_case_width_and_script():
    assert split_words("Ａ１ naïve <b>STRASSE</b> straße") == ["a1", "naïve", "strasse", "strasse"]
    assert split_words("很好 ไทย한국어") == ["很", "好", "ไ", "ท", "ย", "한국어"]
    assert split_words("কি কা நல்ல") == ["কি", "কা", "நல்ல"]  # vowel signs belong to their word
    assert split_words("とても面白い 👍🏽⭐⭐") == [*"とても面白い", "👍", "⭐", "⭐"]
    assert split_words("ภาษาไทย ລາວ မြန်မာ") == [*"ภาษาไทย", *"ລາວ", *"မြန်မာ"]


@pytest.mark.parametrize(
    "text", ["it's don't 'quoted' rock'n'roll", "a_b-c.d/e 3.5 x2", "' '' a' 'b", "<br />5 <3 &amp; R&D"]
)
def test_ascii_is_split_by_the_rule_of_all_texts(text):
    assert split_words(text) == split_words(text + " é")[:-1]


def test_words_of_texts_are_numbers_into_one_vocabulary():
    words = Words.from_texts(["a b a", "", "c b"])
    assert [[words.vocabulary[word] for word in words.of_text(row)] for row in range(3)] == [
        ["a", "b", "a"], [], ["c", "b"],
    ]  # fmt: skip
    assert len(words) == 3 and words.counts.tolist() == [3, 0, 2] and words.rows.tolist() == [0, 0, 0, 2, 2]
    some = words.of_rows(np.array([2, 0]))
    assert [some.of_text(row) for row in range(2)] == [words.of_text(2), words.of_text(0)]


def test_parts_of_the_texts_are_all_of_the_texts(monkeypatch):
    monkeypatch.setattr("classification.data.words.CHUNK", 4)
    words = Words.from_texts(["a b c", "", "d e f g h", "i", "j k"])
    parts = list(words.chunks())
    assert len(parts) > 1
    assert np.concatenate([rows for rows, _ in parts]).tolist() == list(range(5))
    assert np.concatenate([part.ids for _, part in parts]).tolist() == words.ids.tolist()
