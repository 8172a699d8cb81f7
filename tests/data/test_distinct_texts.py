"""The rows chosen are the best ones of which none repeats another."""

from __future__ import annotations

import random
from itertools import product

import pytest
from planted import WORDS

from classification.data.distinct_texts import choose_distinct
from classification.data.words import normalised, split_words

LONG = " ".join(WORDS[:30])


def alike(one: str, other: str) -> bool:
    """The definition, without hashes."""
    if normalised(one) == normalised(other):
        return True
    first, second = (
        {tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in map(split_words, (one, other))
    )
    is_long = min(len(split_words(one)), len(split_words(other))) >= 7
    return is_long and len(first & second) >= 0.8 * len(first | second)


def by_comparing_all(columns, count):
    chosen, left_out = [], 0
    for row in zip(*columns, strict=True):
        if len(chosen) == count:
            break
        if any(all(map(alike, row, other)) for other in chosen):
            left_out += 1
        else:
            chosen.append(row)
    return chosen, left_out


def varied(draw: random.Random, count: int) -> list[str]:
    """Texts of which many differ by few words."""
    bases = [draw.choices(WORDS, k=length) for length in (3, 6, 7, 12, 40, 60) for _ in range(3)]
    texts = []
    for _ in range(count):
        base = draw.choice(bases)
        places = set(draw.sample(range(len(base)), min(draw.choice((0, 1, 2, 5)), len(base))))
        texts.append(" ".join("new" if i in places else word for i, word in enumerate(base)))
    return texts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("columns", [1, 2])
def test_the_rows_are_those_of_a_comparison_of_all(seed, columns):
    draw = random.Random(seed)
    texts = [varied(draw, 80) for _ in range(columns)]
    for count in (1, 10, 200):
        chosen, left_out = choose_distinct(texts, count)
        expected = by_comparing_all(texts, count)
        assert ([tuple(column[row] for column in texts) for row in chosen], left_out) == expected


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        (["Good film.", "good  FILM", "good film!"], [0, 2]),  # ! may carry meaning
        ([LONG, LONG + " more", LONG.upper()], [0]),
        (["one two three four five six", "one two three four five sox"], [0, 1]),  # short: another word is another text
        (["", " ", "."], [0, 1, 2]),
        (["!!!", "???", "👍", "👎"], [0, 1, 2, 3]),
        (["很好的电影我非常喜欢看", "很好的电影我非常喜欢看。"], [0]),
        ([], []),
    ],
)
def test_copies_are_left_out(texts, chosen):
    assert choose_distinct([texts], 10) == (chosen, len(texts) - len(chosen))


def test_a_pair_repeats_another_only_if_both_texts_do():
    pairs = list(product([LONG, LONG + " more"], ["yes", "no", "Yes."]))
    assert choose_distinct([*zip(*pairs, strict=True)], 10) == ([0, 1], 4)


def test_rows_behind_the_last_chosen_one_are_not_counted():
    assert choose_distinct([["a", "a", "b", "b", "c"]], 2) == ([0, 2], 1)
