"""Sums over rows do not grow with them, add up in any order, and survive JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from classification.data.text_sums import MEASURED, TextSums, count_lengths, quantiles_of, spread_rows, total


def sums_of(texts, **more) -> TextSums:
    lengths = [len(text.split()) + 2 for text in texts]
    given = {"full_lengths": lengths, "unknown": [0.5] * len(texts)} | more
    return TextSums.of(texts, **given)


TEXTS = ["the cat sat", "кот сидит", "", "a dog", "42"] * 3


def test_the_sums_of_parts_are_those_of_all_rows():
    whole = sums_of(TEXTS, classes={"a": 9, "b": 6}, answered=15)
    parts = [
        sums_of(TEXTS[:4], classes={"a": 4}, answered=4),
        sums_of(TEXTS[4:], classes={"a": 5, "b": 6}, answered=11),
    ]
    assert total(parts) == whole == total(reversed(parts)) and total([]) == TextSums()


def test_the_sums_survive_json():
    sums = sums_of(TEXTS, classes={"ä": 1}, answered=1)
    assert TextSums.from_dict(json.loads(json.dumps(sums.as_dict()))) == sums
    older = sums.as_dict() | {"ascii_letters": 3}  # a sum that is not kept any more
    assert TextSums.from_dict(json.loads(json.dumps(older))) == sums


def test_numbers_of_numpy_become_json():
    texts = ["the cat"]
    lengths = np.array([4], dtype=np.int32)
    sums = TextSums.of(texts, full_lengths=lengths, unknown=np.array([0.1], dtype=np.float32))
    assert json.dumps(sums.as_dict())


def test_a_million_lengths_have_few_keys():
    counts = count_lengths(np.arange(1, 1_000_000))
    assert sum(counts.values()) == 999_999 and len(counts) < 4_000
    assert quantiles_of(counts)["50%"] == pytest.approx(500_000, rel=0.01)


@pytest.mark.parametrize(
    ("length", "kept"), [(0, 0), (1, 1), (9, 9), (999, 999), (1000, 1000), (1009, 1000), (12345, 12300)]
)
def test_a_length_keeps_three_digits(length, kept):
    assert count_lengths([length]) == {kept: 1}


def test_of_many_rows_an_even_sample_is_looked_at():
    sums = sums_of(["the cat"] * (MEASURED * 2 + 1))
    assert sums.measured == MEASURED and sums.rows == 2 * MEASURED + 1
    rows = spread_rows(10 * MEASURED + 7, MEASURED)
    assert len(set(rows)) == MEASURED and rows[0] == 0 and rows[-1] > 9.9 * MEASURED


def test_no_rows_have_no_quantiles_and_no_shares():
    assert quantiles_of({}) == {} and TextSums().shares("scripts") == {} == TextSums().shares("classes")
    assert sums_of([]).as_dict() == TextSums().as_dict()


def test_a_pair_is_measured_as_both_texts():
    both = TextSums.of(["the"], ["кот"], full_lengths=[5], unknown=[0.0])
    assert both.shares("scripts") == {"Latin": 0.5, "Cyrillic": 0.5} and both.words == 2
