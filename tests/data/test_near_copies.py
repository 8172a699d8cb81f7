"""MinHash finds the pairs that a comparison of all pairs finds, in linear time."""

from __future__ import annotations

import random
from itertools import combinations

from planted import WORDS

from classification.data import near_copies
from classification.data.near_copies import near_pairs
from classification.data.words import Words


def test_near_duplicates_are_those_of_a_full_comparison():
    """Texts with none to 20 of 60 words changed."""
    draw, texts = random.Random(0), []
    for _ in range(40):
        words = draw.choices(WORDS, k=60)
        for changes in (0, 1, 3, 6, 12, 20):
            places = set(draw.sample(range(60), changes))
            texts.append(" ".join("new" if i in places else word for i, word in enumerate(words)))
    sets = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in map(str.split, texts)]
    alike = {
        (a, b) for a, b in combinations(range(len(texts)), 2) if len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
    }
    pairs = {tuple(pair) for pair in near_pairs(Words.from_texts(texts)).tolist()}
    assert len(alike) > 40 and pairs <= alike
    assert {text for pair in pairs for text in pair} == {text for pair in alike for text in pair}


def test_one_template_in_many_rows_takes_linear_work(monkeypatch):
    compared = []
    real = near_copies.jaccard
    monkeypatch.setattr(near_copies, "jaccard", lambda *args: compared.append(1) or real(*args))
    texts = [f"{' '.join(WORDS[:50])} number {i}" for i in range(300)]
    assert len(near_copies.near_pairs(Words.from_texts(texts))) >= 299
    assert len(compared) <= 2 * 16 * 300


def test_short_texts_are_never_near():
    assert len(near_pairs(Words.from_texts(["one two three four five six", "one two three four five six"]))) == 0
    assert len(near_pairs(Words.from_texts([]))) == 0
